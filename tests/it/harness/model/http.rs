//! Just enough HTTP/1.1 to be talked to by real clients, on a bare socket: a connection must be breakable at any byte.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The most a request may bring; real ones have some hundred KiB.
const MOST_BODY: usize = 16 * 1024 * 1024;

/// How often a waiting connection looks whether it is over.
const LOOK: Duration = Duration::from_millis(50);

/// The longest silence; no test waits so long.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// What came in.
pub(crate) struct Request {
    pub method: String,
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// A header's value, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// A connection, of which one request is read and answered.
pub(crate) struct Wire<'a> {
    socket: TcpStream,
    stop: &'a AtomicBool,
}

impl<'a> Wire<'a> {
    pub(crate) fn new(socket: TcpStream, stop: &'a AtomicBool) -> Self {
        Self { socket, stop }
    }

    /// Reads the request; an error where the client went away or says what this does not read.
    pub(crate) fn request(&self) -> std::io::Result<Request> {
        self.socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut input = BufReader::new(&self.socket);
        let mut first = String::new();
        input.read_line(&mut first)?;
        let mut words = first.split_whitespace();
        let (Some(method), Some(path)) = (words.next(), words.next()) else { return Err(broken()) };
        let mut request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        loop {
            let mut line = String::new();
            input.read_line(&mut line)?;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(broken)?;
            request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        if request.header("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
            request.body = chunks(&mut input)?;
        } else if let Some(length) = request.header("content-length") {
            let length: usize = length.parse().map_err(|_| broken())?;
            request.body = exactly(&mut input, length)?;
        }
        Ok(request)
    }

    /// A whole answer with a JSON document.
    pub(crate) fn json(&mut self, status: u16, more: &[(&str, String)], body: &Value) -> std::io::Result<()> {
        self.whole(status, "application/json", more, body.to_string().as_bytes())
    }

    /// A whole answer.
    pub(crate) fn whole(
        &mut self,
        status: u16,
        kind: &str,
        more: &[(&str, String)],
        body: &[u8],
    ) -> std::io::Result<()> {
        self.head(status, kind, more, &format!("content-length: {}", body.len()))?;
        self.socket.write_all(body)
    }

    /// The head of an answer that ends before its length.
    pub(crate) fn promise(&mut self, body: &[u8]) -> std::io::Result<()> {
        self.head(200, "application/json", &[], &format!("content-length: {}", body.len() + 1_000))?;
        self.socket.write_all(body)
    }

    /// Begins a stream of events.
    pub(crate) fn begin_stream(&mut self) -> std::io::Result<()> {
        self.head(200, "text/event-stream", &[], "transfer-encoding: chunked")
    }

    /// One piece of a stream. An empty one is its end.
    pub(crate) fn chunk(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let mut piece = format!("{:x}\r\n", bytes.len()).into_bytes();
        piece.extend_from_slice(bytes);
        piece.extend_from_slice(b"\r\n");
        self.socket.write_all(&piece)
    }

    /// Waits until the client goes away or the server ends.
    pub(crate) fn wait(&self) -> std::io::Result<()> {
        self.socket.set_read_timeout(Some(LOOK))?;
        let begun = Instant::now();
        while !self.stop.load(Ordering::Relaxed) && begun.elapsed() < LONGEST_WAIT {
            match (&self.socket).read(&mut [0; 64]) {
                Ok(0) => break,
                Ok(_) => {}
                Err(err) if matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(err) => return Err(err),
            }
        }
        Ok(())
    }

    fn head(&mut self, status: u16, kind: &str, more: &[(&str, String)], size: &str) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {status} Scripted\r\ncontent-type: {kind}\r\n{size}\r\n");
        for (name, value) in more {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head += "connection: close\r\n\r\n";
        self.socket.write_all(head.as_bytes())
    }
}

impl Drop for Wire<'_> {
    fn drop(&mut self) {
        // Another handle to the socket is kept by the server, so closing this one alone would not end the connection.
        let _gone = self.socket.shutdown(Shutdown::Both);
    }
}

fn broken() -> std::io::Error {
    ErrorKind::InvalidData.into()
}

fn exactly(input: &mut impl Read, length: usize) -> std::io::Result<Vec<u8>> {
    if length > MOST_BODY {
        return Err(broken());
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    Ok(body)
}

fn chunks(input: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let digits = line.trim_end().split(';').next().unwrap_or_default();
        let length = usize::from_str_radix(digits, 16).map_err(|_| broken())?;
        if body.len() + length > MOST_BODY {
            return Err(broken());
        }
        body.extend(exactly(input, length)?);
        input.read_line(&mut String::new())?;
        if length == 0 {
            return Ok(body);
        }
    }
}
