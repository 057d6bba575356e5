//! One request and its answer: octocrab on a connection of our own making, so that nothing is followed, repeated or added.
//!
//! octocrab's own connection calls itself `octocrab` beside any name it is given, and puts the base's path before addresses of other
//! hosts; so it is handed reqwest's here, with rustls, ring, the system's roots, and the proxy that the environment names (none on this
//! machine's own addresses).

use std::error::Error;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::BodyExt;
use octocrab::{AuthState, OctoBody, Octocrab, OctocrabBuilder};
use reqwest::Url;
use serde_json::Value;
use tokio::runtime::{Handle, Id};
use tokio::sync::Mutex;

use super::auth::Secret;

/// Bytes of an answer that are taken. The longest real ones are pages of a hundred pull requests, some megabytes.
const MOST: usize = 16 * 1024 * 1024;

/// Bytes of a log that are looked at for its end.
const MOST_OF_LOG: usize = 64 * 1024 * 1024;

/// How long a connection may take to come about, within the time limit of the call.
const CONNECT: Duration = Duration::from_secs(10);

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub method: Method,
    pub url: Url,
    pub body: Option<Value>,
    /// What was answered when it was asked before.
    pub etag: Option<String>,
    /// Who asks; nobody at foreign hosts.
    pub bearer: Option<Secret>,
    /// Only the last so many bytes are wanted.
    pub last: Option<usize>,
}

/// What was answered, whole.
#[derive(Debug)]
pub(super) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Whether the body was longer than is taken; then the end of it is not here.
    pub is_cut: bool,
}

/// How far away the host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    /// On this machine, by plain HTTP: no proxy and no certificates, which a small machine may not have.
    Own,
    /// Anywhere else, and by HTTPS.
    Wide,
}

/// The connections to one host.
pub(super) struct Wire {
    time_limit: Duration,
    network: Network,
    /// octocrab needs a task on the runtime that it was made on, and is made anew on another one.
    built: Mutex<Option<(Id, Octocrab)>>,
}

impl Wire {
    pub(super) fn new(time_limit: Duration, network: Network) -> Self {
        Self { time_limit, network, built: Mutex::new(None) }
    }

    /// Sends it once and reads the answer, within the time limit.
    ///
    /// # Errors
    /// Why there is no whole answer, without addresses and tokens. Whether it was carried out is not known then.
    pub(super) async fn send(&self, call: Call) -> Result<Reply, String> {
        let crab = self.crab().await?;
        match tokio::time::timeout(self.time_limit, exchange(&crab, call)).await {
            Ok(reply) => reply,
            Err(_) => Err(format!("no whole answer within {} s", self.time_limit.as_secs_f32())),
        }
    }

    /// Reading the system's roots takes some time, so a thread does it, and not within anybody's time limit.
    async fn crab(&self) -> Result<Octocrab, String> {
        let runtime = Handle::current().id();
        let mut built = self.built.lock().await;
        if let Some((id, crab)) = &*built
            && *id == runtime
        {
            return Ok(crab.clone());
        }
        let network = self.network;
        let crab =
            tokio::task::spawn_blocking(move || build(network)).await.map_err(|err| err.to_string())??;
        *built = Some((runtime, crab.clone()));
        Ok(crab)
    }
}

async fn exchange(crab: &Octocrab, call: Call) -> Result<Reply, String> {
    let mut request = http::Request::builder()
        .method(call.method)
        .uri(call.url.as_str())
        .header(ACCEPT, "application/vnd.github+json");
    if let Some(etag) = &call.etag {
        request = request.header(IF_NONE_MATCH, etag);
    }
    if let Some(bearer) = &call.bearer {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", bearer.reveal()))
            .map_err(|_| "the token has characters that no token has".to_owned())?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let request = crab.build_request(request, call.body.as_ref()).map_err(|err| reason(&err))?;
    let reply = crab.send(request).await.map_err(|err| reason(&err))?;
    let (parts, mut body) = reply.into_parts();
    let (keep, most) = match call.last {
        // What is no log says why, and is wanted whole.
        Some(last) if parts.status.is_success() => (last, MOST_OF_LOG),
        Some(_) | None => (MOST, MOST),
    };
    let (mut bytes, mut total, mut is_cut) = (Vec::new(), 0_usize, false);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|err| reason(&err))?;
        let Some(data) = frame.data_ref() else { continue };
        total = total.saturating_add(data.len());
        if total > most {
            is_cut = true;
            break;
        }
        bytes.extend_from_slice(data);
        if bytes.len() > keep.saturating_mul(2) {
            bytes.drain(..bytes.len() - keep);
        }
    }
    bytes.drain(..bytes.len().saturating_sub(keep));
    Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body: bytes, is_cut })
}

fn build(network: Network) -> Result<Octocrab, String> {
    let mut client = reqwest::Client::builder()
        .user_agent(concat!("agentpr/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT);
    if network == Network::Own {
        client = client.no_proxy().tls_built_in_root_certs(false);
    }
    let client = client.build().map_err(|err| reason(&err))?;
    let service = tower::service_fn(move |request: http::Request<OctoBody>| {
        let client = client.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let request = reqwest::Request::try_from(http::Request::from_parts(parts, body))?;
            let reply = client.execute(request).await.map_err(reqwest::Error::without_url)?;
            Ok::<_, tower::BoxError>(http::Response::<reqwest::Body>::from(reply))
        }
    });
    match OctocrabBuilder::new_empty().with_service(service).with_auth(AuthState::None).build() {
        Ok(crab) => Ok(crab),
        Err(never) => match never {},
    }
}

/// The innermost cause: what octocrab and reqwest put around it has addresses and traces in it.
fn reason(err: &(dyn Error + 'static)) -> String {
    let mut cause = err;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = cause.to_string();
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}
