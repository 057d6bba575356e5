//! Asking hosts whether they answer: one HTTP request without a body each, all at once, and every failure is a plain word.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::{Client, NoProxy, Proxy, Url};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::ports::probe::Reach;

/// Variables that name a proxy.
const PROXIES: [&str; 5] = ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// Asks all addresses; the answers are in their order.
pub(super) async fn ask_all(
    parent: &BTreeMap<String, String>,
    urls: &[String],
    limit: Duration,
) -> Vec<Reach> {
    let client = match client(parent, limit) {
        Ok(client) => client,
        Err(why) => return urls.iter().map(|_| Reach::Unusable(why.clone())).collect(),
    };
    let proxied = PROXIES.iter().any(|name| parent.get(*name).is_some_and(|value| !value.trim().is_empty()));
    let mut asked = JoinSet::new();
    for (index, url) in urls.iter().enumerate() {
        let (client, url) = (client.clone(), url.clone());
        asked.spawn(async move { (index, ask(&client, &url, limit).await) });
    }
    let mut answers = vec![Reach::Silent; urls.len()];
    while let Some(answer) = asked.join_next().await {
        if let Ok((index, answer)) = answer
            && let Some(place) = answers.get_mut(index)
        {
            *place = match answer {
                Reach::Broken(why) if proxied => {
                    Reach::Broken(format!("{why}; the environment names a proxy"))
                }
                other => other,
            };
        }
    }
    answers
}

async fn ask(client: &Client, url: &str, limit: Duration) -> Reach {
    let url = match Url::parse(url) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => url,
        Ok(url) => return Reach::Unusable(format!("`{}` is no scheme that can be asked", url.scheme())),
        Err(err) => return Reach::Unusable(format!("the address is none: {err}")),
    };
    // The client has a limit of its own; this one also holds while a name is being looked up.
    match timeout(limit, client.head(url).send()).await {
        Err(_late) => Reach::Silent,
        Ok(Ok(answer)) => Reach::Answered(answer.status().as_u16()),
        Ok(Err(err)) if err.is_timeout() => Reach::Silent,
        Ok(Err(err)) => broken(&err),
    }
}

fn client(parent: &BTreeMap<String, String>, limit: Duration) -> Result<Client, String> {
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(limit)
        .timeout(limit)
        .user_agent(concat!("agentpr/", env!("CARGO_PKG_VERSION")));
    let variable = |names: [&str; 2]| {
        names.iter().find_map(|name| parent.get(*name)).filter(|value| !value.trim().is_empty())
    };
    let except = variable(["no_proxy", "NO_PROXY"]).and_then(|list| NoProxy::from_string(list));
    let wrong = |err: reqwest::Error| format!("the proxy that the environment names cannot be used: {err}");
    // Upper-case HTTP_PROXY is left out, as curl does: a web server may set it from a request's header.
    if let Some(url) = parent.get("http_proxy").filter(|value| !value.trim().is_empty()) {
        builder = builder.proxy(Proxy::http(url).map_err(wrong)?.no_proxy(except.clone()));
    }
    if let Some(url) = variable(["https_proxy", "HTTPS_PROXY"]) {
        builder = builder.proxy(Proxy::https(url).map_err(wrong)?.no_proxy(except.clone()));
    }
    if let Some(url) = variable(["all_proxy", "ALL_PROXY"]) {
        builder = builder.proxy(Proxy::all(url).map_err(wrong)?.no_proxy(except));
    }
    builder.build().map_err(|err| format!("no request can be made: {}", chain(&err)))
}

/// What is in the way, by the innermost cause that says so.
fn broken(err: &reqwest::Error) -> Reach {
    let said = chain(err);
    let mut cause: Option<&(dyn Error + 'static)> = Some(err);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            match io.kind() {
                io::ErrorKind::ConnectionRefused => {
                    return Reach::Broken("the connection was refused".to_owned());
                }
                io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
                    return Reach::Broken("the connection was reset".to_owned());
                }
                io::ErrorKind::TimedOut => return Reach::Silent,
                io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
                    return Reach::Broken("the network does not reach it".to_owned());
                }
                _ => {}
            }
        }
        cause = inner.source();
    }
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&["dns error", "failed to lookup address"]) {
        return Reach::Broken("its name is not known here".to_owned());
    }
    if has(&["certificate", "UnknownIssuer", "tls", "TLS", "InvalidContentType", "HandshakeFailure"]) {
        return Reach::Unusable(format!("no secure connection: {}", last(err)));
    }
    if has(&["connection closed before message completed", "IncompleteMessage", "unexpected end of file"]) {
        return Reach::Broken("it closed the connection without an answer".to_owned());
    }
    if has(&["invalid HTTP", "error parsing", "parse error", "invalid header"]) {
        return Reach::Unusable("what it answers is no HTTP".to_owned());
    }
    Reach::Broken(last(err))
}

/// Every cause in one line, for looking at.
fn chain(err: &dyn Error) -> String {
    let mut said = err.to_string();
    let mut cause = err.source();
    while let Some(inner) = cause {
        said.push_str(": ");
        said.push_str(&inner.to_string());
        cause = inner.source();
    }
    said
}

/// The innermost cause, which names no address.
fn last(err: &dyn Error) -> String {
    let mut innermost = err;
    while let Some(inner) = innermost.source() {
        innermost = inner;
    }
    innermost.to_string().chars().filter(|c| !c.is_control()).take(240).collect()
}
