//! A request as the fake sees it, and the answer it makes: plain values that no socket is needed for.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::HeaderMap;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use serde_json::{Value, json};

/// A request whose body has come in whole.
pub(crate) struct Ask {
    pub method: String,
    /// The path as it came, escapes and all, without its query.
    pub path: String,
    pub query: Vec<(String, String)>,
    /// The query as it came.
    pub raw_query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Ask {
    /// A header's value; one that is no text counts as absent.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A value of the query.
    pub(crate) fn asked(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The path and the query, as a log shows them.
    pub(crate) fn target(&self) -> String {
        if self.raw_query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.raw_query)
        }
    }

    /// The body as JSON; an empty one is an empty object.
    pub(crate) fn json(&self) -> Result<Value, Reply> {
        if self.body.is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_slice(&self.body).map_err(|_| Reply::error(400, "Problems parsing JSON"))
    }

    /// Whether it asks for a change.
    pub(crate) fn is_write(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD") && !self.path.ends_with("/graphql")
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// The length promised, where the connection ends before it is reached.
    pub promised: Option<u64>,
}

/// What a route gives: both sides are answers, the second one a refusal.
pub(crate) type Answer = Result<Reply, Reply>;

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::bytes(status, "application/json; charset=utf-8", body.to_string().into_bytes())
    }

    pub(crate) fn bytes(status: u16, kind: &str, body: Vec<u8>) -> Self {
        Self { status, headers: vec![("content-type", kind.to_owned())], body, promised: None }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), promised: None }
    }

    /// A refusal in GitHub's shape.
    pub(crate) fn error(status: u16, message: &str) -> Self {
        let documentation = "https://docs.github.com/rest";
        Self::json(
            status,
            &json!({"message": message, "documentation_url": documentation, "status": status.to_string()}),
        )
    }

    /// The 422 with its list of errors.
    pub(crate) fn invalid(errors: &Value) -> Self {
        let documentation = "https://docs.github.com/rest/pulls/pulls#create-a-pull-request";
        Self::json(
            422,
            &json!({"message": "Validation Failed", "errors": errors, "documentation_url": documentation,
                "status": "422"}),
        )
    }

    pub(crate) fn not_found() -> Self {
        Self::error(404, "Not Found")
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The body of an answer on its way out.
pub(crate) struct Outgoing {
    bytes: Option<Bytes>,
    /// The length of the whole; where it is more than there is, the connection breaks in the middle.
    promised: u64,
    is_torn: bool,
}

impl Outgoing {
    pub(crate) fn new(body: Vec<u8>, promised: Option<u64>) -> Self {
        let length = body.len() as u64;
        Self { bytes: Some(body.into()), promised: promised.unwrap_or(length), is_torn: promised.is_some() }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.bytes.take() {
            Some(bytes) if !bytes.is_empty() => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            _ if self.is_torn => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
            _ => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        !self.is_torn && self.bytes.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.promised)
    }
}

/// Undoes the escapes of a path segment or, with `+` for a blank, of a query.
pub(crate) fn decoded(text: &str, is_query: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = text.get(at + 1..at + 3).filter(|_| byte == b'%');
        if let Some(value) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            out.push(value);
            at += 3;
            continue;
        }
        out.push(if byte == b'+' && is_query { b' ' } else { byte });
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The pairs of a query.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name, true), decoded(value, true)))
        .collect()
}
