//! Connections: reads each request whole, plays the faults of the plan on it, and writes or withholds the answer.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::auth::Credential;
use crate::fault::{Effect, Kind};
use crate::limit::{Resource, Secondary};
use crate::log::digest;
use crate::message::{Ask, Outgoing, Reply, pairs};
use crate::world::{Found, Shared, World};
use crate::{admin, backend, graphql, rest};

/// The most a request may bring: a push of a large repository.
const MOST_BODY: usize = 512 * 1024 * 1024;

/// How long a secondary limit holds that names no time: the minute that the documentation asks for.
const SECONDARY_MS: i64 = 60_000;

/// Why a connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the plan of faults ends this connection")]
struct Dropped;

/// Serves for ever.
pub(crate) async fn run(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        let _set = socket.set_nodelay(true);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| one(Arc::clone(&shared), request));
            // A client that goes away in the middle is no news: they are killed here all the time.
            let _gone = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn one(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Outgoing>, Dropped> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MOST_BODY).collect().await else { return Err(Dropped) };
    let raw_query = head.uri.query().unwrap_or_default().to_owned();
    let ask = Ask {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: pairs(&raw_query),
        raw_query,
        headers: head.headers,
        body: body.to_bytes(),
    };
    // On a task of its own: what has begun is done, whether or not the client waits for it.
    let done = tokio::spawn(async move {
        let reply = answer(&shared, ask).await;
        shared.bell.notify_waiters();
        reply
    });
    let reply =
        done.await.unwrap_or_else(|_| Some(Reply::error(500, "the fake has failed: see its standard error")));
    let Some(reply) = reply else { return Err(Dropped) };
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Outgoing::new(reply.body, reply.promised)).map_err(|_| Dropped)
}

async fn answer(shared: &Arc<Shared>, ask: Ask) -> Option<Reply> {
    if let Some(path) = ask.path.strip_prefix("/_fake/") {
        return Some(admin::serve(shared, &ask, path).await);
    }
    let credential = Credential::of(&ask);
    let token = digest(&credential.text);
    let resource = if ask.path == "/api/graphql" { Resource::Graphql } else { Resource::Core };
    let is_api = ask.path.starts_with("/api/");
    if is_api && ask.header("user-agent").is_none() {
        let words = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header";
        return Some(Reply::error(403, words));
    }
    let is_metered = is_api && ask.path != "/api/v3/rate_limit";
    let place;
    let kind = {
        let mut world = shared.lock();
        let now = world.now();
        place = world.log.begin(&ask, credential.kind, &token, now);
        if is_metered {
            let target = format!("{} {}", ask.method, ask.target());
            if let Some(refusal) = world.limits.enter(&token, resource, ask.is_write(), now, &target) {
                world.log.end(place, Some(refusal.status), Some("limit"));
                return Some(dressed(&mut world, &token, resource, refusal));
            }
        }
        world.faults.pick(&ask)
    };
    let name = kind.as_ref().map(Kind::name);
    let ask = Arc::new(ask);
    let effect = || effect(shared, Arc::clone(&ask), credential.clone());
    let reply = match kind {
        None => Some(effect().await),
        Some(Kind::ErrorBefore { status }) => Some(Reply::error(status, "Server Error")),
        Some(Kind::ErrorAfter { status }) => {
            effect().await;
            Some(Reply::error(status, "Server Error"))
        }
        Some(Kind::ResetBefore) => None,
        Some(Kind::ResetAfter) => {
            effect().await;
            None
        }
        Some(Kind::Hang { ms, effect: when }) => hang(ms, when, effect).await,
        Some(Kind::Truncate { torn }) => Some(halved(effect().await, torn)),
        Some(Kind::NotFound) => Some(Reply::not_found()),
        Some(Kind::RatePrimary { reset_in }) => {
            let mut world = shared.lock();
            let now = world.now();
            Some(world.limits.exhaust(&token, resource, reset_in, now))
        }
        Some(Kind::RateSecondary { retry_after, status, lasts_ms }) => {
            let mut world = shared.lock();
            let since_ms = world.now();
            let lasts = lasts_ms.or_else(|| i64::try_from(retry_after? * 1_000).ok()).unwrap_or(SECONDARY_MS);
            let limit = Secondary { since_ms, until_ms: since_ms + lasts, retry_after, status };
            Some(world.limits.slow_down(&token, limit))
        }
        Some(Kind::Redirect { location }) => Some(redirect(&shared.lock(), &ask, location)),
    };
    let mut world = shared.lock();
    world.log.end(place, reply.as_ref().map(|reply| reply.status), name);
    let now = world.now();
    match reply {
        Some(reply) if is_api => {
            // What has not changed costs nothing, nor does asking what is left.
            if is_metered && reply.status != 304 {
                world.limits.spend(&token, resource, now);
            }
            Some(dressed(&mut world, &token, resource, reply))
        }
        reply => reply,
    }
}

async fn hang<F: Future<Output = Reply>>(ms: u64, when: Effect, effect: impl Fn() -> F) -> Option<Reply> {
    let silence = tokio::time::sleep(Duration::from_millis(ms));
    match when {
        Effect::Late => {
            silence.await;
            Some(effect().await)
        }
        Effect::First => {
            let reply = effect().await;
            silence.await;
            Some(reply)
        }
        Effect::None => {
            silence.await;
            None
        }
    }
}

/// Does what a request asks for.
async fn effect(shared: &Arc<Shared>, ask: Arc<Ask>, credential: Credential) -> Reply {
    if let Some(name) = ask.path.strip_prefix("/_blob/") {
        return blob(&shared.lock(), &ask, name);
    }
    if !ask.path.starts_with("/api/") {
        return git(shared, &ask, &credential).await;
    }
    let own = Arc::clone(shared);
    // Git runs below, so this may take milliseconds: not on a thread that serves others.
    let done = tokio::task::spawn_blocking(move || {
        let mut world = own.lock();
        if ask.path == "/api/graphql" {
            return graphql::serve(&mut world, &ask, &credential);
        }
        match ask.path.strip_prefix("/api/v3") {
            Some(path) => rest::serve(&mut world, &ask, &credential, path),
            None => Reply::not_found(),
        }
    });
    done.await.unwrap_or_else(|_| Reply::error(500, "the fake has failed: see its standard error"))
}

async fn git(shared: &Arc<Shared>, ask: &Ask, credential: &Credential) -> Reply {
    let granted = backend::admit(&mut shared.lock(), ask, credential);
    let granted = match granted {
        Ok(granted) => granted,
        Err(refusal) => return refusal,
    };
    let reply = backend::run(&granted, ask).await;
    if granted.is_push {
        let own = Arc::clone(shared);
        let _looked = tokio::task::spawn_blocking(move || own.lock().look(granted.id, &granted.login)).await;
    }
    reply
}

/// The log of a job at the store, which is a stranger to the API and refuses its tokens.
fn blob(world: &World, ask: &Ask, name: &str) -> Reply {
    match world.blobs.get(name) {
        _ if ask.header("authorization").is_some() => {
            let words = b"Only one way to authenticate is allowed, and the query is one.".to_vec();
            Reply::bytes(400, "application/xml", words)
        }
        Some(log) => Reply::bytes(200, "text/plain; charset=utf-8", log.clone().into_bytes()),
        None => Reply::bytes(404, "application/xml", b"BlobNotFound".to_vec()),
    }
}

/// Adds the headers that every answer of the API has.
fn dressed(world: &mut World, token: &str, resource: Resource, mut reply: Reply) -> Reply {
    let now = world.now();
    reply.headers.extend(world.limits.headers(token, resource, now));
    reply
        .with("x-github-request-id", crate::chance::uuid())
        .with("x-github-media-type", "github.v3; format=json")
}

/// Half of an answer: either whole as far as HTTP can tell, or broken off.
fn halved(mut reply: Reply, is_torn: bool) -> Reply {
    let whole = reply.body.len();
    reply.body.truncate(whole / 2);
    reply.promised = is_torn.then_some(whole as u64);
    reply
}

/// Where a redirect of the plan leads: the numbered address of the repository, if nothing else is said.
fn redirect(world: &World, ask: &Ask, location: Option<String>) -> Reply {
    let numbered = || {
        let mut parts = ask.path.strip_prefix("/api/v3/repos/")?.splitn(3, '/');
        let (owner, name, tail) = (parts.next()?, parts.next()?, parts.next());
        let (Found::Here(id) | Found::Moved(id)) = world.find(owner, name) else { return None };
        let tail = tail.map(|tail| format!("/{tail}")).unwrap_or_default();
        Some(format!("{}/repositories/{id}{tail}", world.api()))
    };
    let query = if ask.raw_query.is_empty() { String::new() } else { format!("?{}", ask.raw_query) };
    let to = location.or_else(|| Some(numbered()? + &query));
    rest::moved(&ask.method, &to.unwrap_or_else(|| format!("{}{}", world.origin, ask.target())))
}
