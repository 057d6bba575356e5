//! Asking hosts: each way a host can misbehave is a plain answer, in time. Loopback only.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use agentpr::ports::probe::{Probe, Reach};

use super::probe::probe;

/// A listener that does the same to each caller until the test ends; its address.
fn host(scheme: &str, treat: fn(TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("{scheme}://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for caller in listener.incoming().flatten() {
            thread::spawn(move || treat(caller));
        }
    });
    url
}

/// Reads a request to its empty line and says something.
fn answer(mut caller: TcpStream, what: &[u8]) {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && caller.read(&mut byte).is_ok_and(|count| count == 1) {
        request.push(byte[0]);
    }
    let _gone = caller.write_all(what);
}

/// Holds a connection until the other side gives up.
fn stall(mut caller: TcpStream) {
    let mut rest = Vec::new();
    let _gone = caller.read_to_end(&mut rest);
}

fn ask(urls: &[String], limit: Duration, parent: &[(&str, &str)]) -> (Vec<Reach>, Duration) {
    let directory = tempfile::tempdir().unwrap();
    let variables: BTreeMap<String, String> =
        parent.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let probe = probe(directory.path(), variables);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begin = Instant::now();
    let answers = runtime.block_on(probe.reach(urls, limit));
    (answers, begin.elapsed())
}

fn one(url: String) -> Reach {
    ask(&[url], Duration::from_secs(2), &[]).0.remove(0)
}

const MOVED: &[u8] = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";

#[test]
fn f33_any_status_is_an_answer_and_a_redirect_is_not_followed() {
    let hosts: [(fn(TcpStream), u16); 4] = [
        (|caller| answer(caller, b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"), 404),
        (|caller| answer(caller, b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"), 401),
        (|caller| answer(caller, b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"), 503),
        (|caller| answer(caller, MOVED), 302),
    ];
    for (treat, status) in hosts {
        assert_eq!(one(host("http", treat)), Reach::Answered(status));
    }
}

#[test]
fn f33_hosts_that_stall_are_reported_together_when_the_time_is_up() {
    let urls: Vec<String> = (0..6).map(|_| host("http", stall)).collect();
    let limit = Duration::from_millis(700);
    let (answers, took) = ask(&urls, limit, &[]);
    assert!(answers.iter().all(|answer| *answer == Reach::Silent), "{answers:?}");
    assert!(took < limit + Duration::from_secs(1), "{took:?}");
}

#[test]
fn f33_a_stall_in_the_middle_of_a_secure_handshake_ends_in_time() {
    let (answers, took) = ask(&[host("https", stall)], Duration::from_millis(500), &[]);
    assert_eq!(answers, [Reach::Silent]);
    assert!(took < Duration::from_millis(1500), "{took:?}");
}

#[test]
fn f33_a_closed_a_refused_and_a_reset_connection_may_be_gone_at_the_next_look() {
    let closes = one(host("http", |caller| answer(caller, b"")));
    assert!(matches!(&closes, Reach::Broken(_)), "{closes:?}");
    let drops = one(host("http", drop));
    assert!(matches!(&drops, Reach::Broken(_)), "{drops:?}");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = one(format!("http://{free}/"));
    assert_eq!(refused, Reach::Broken("the connection was refused".to_owned()));
}

#[test]
fn f33_garbage_and_broken_encryption_do_not_pass_by_themselves() {
    let garbage = one(host("http", |caller| answer(caller, b"\x00\xffwhat?\r\n\r\n")));
    assert_eq!(garbage, Reach::Unusable("what it answers is no HTTP".to_owned()));
    let plain = one(host("https", |mut caller| {
        let _gone = caller.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        stall(caller);
    }));
    assert!(matches!(&plain, Reach::Unusable(why) if why.starts_with("no secure connection")), "{plain:?}");
    for address in ["file:///etc/passwd", "no address", "http://[::1/", ""] {
        let answer = one(address.to_owned());
        assert!(matches!(answer, Reach::Unusable(_)), "{address}: {answer:?}");
    }
}

#[test]
fn the_proxy_of_the_environment_is_asked_but_for_its_exceptions() {
    let proxy = host("http", |caller| answer(caller, b"HTTP/1.1 204 By Proxy\r\n\r\n"));
    let direct = host("http", |caller| answer(caller, b"HTTP/1.1 404 Direct\r\ncontent-length: 0\r\n\r\n"));
    let limit = Duration::from_secs(2);
    let (answers, _) = ask(&["http://host.invalid/".to_owned()], limit, &[("http_proxy", &proxy)]);
    assert_eq!(answers, [Reach::Answered(204)]);
    let (answers, _) = ask(&[direct], limit, &[("http_proxy", &proxy), ("no_proxy", "127.0.0.1")]);
    assert_eq!(answers, [Reach::Answered(404)]);
}
