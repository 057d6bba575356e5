//! Sends hooks in the background: in order for each hook, side by side for different ones, and never twice by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::chance::Seeded;
use crate::hook::Delivery;
use crate::world::{Shared, World};

/// GitHub's own limit for an answer.
const LIMIT: Duration = Duration::from_secs(10);

/// The most of an answer that the log keeps.
const KEPT: usize = 4_096;

/// What tests do to deliveries on their way.
#[derive(Debug)]
pub(crate) struct Sending {
    pub is_paused: bool,
    /// How many of the next ones are lost.
    pub lose_next: u64,
    /// The part of all others that is lost.
    pub lose_fraction: f64,
    /// Whether the log shows the lost ones, as failures.
    pub is_loss_logged: bool,
    pub chance: Seeded,
    /// Hooks for which a delivery is on its way.
    pub busy: Vec<u64>,
}

impl Default for Sending {
    fn default() -> Self {
        Self {
            is_paused: false,
            lose_next: 0,
            lose_fraction: 0.0,
            is_loss_logged: true,
            chance: Seeded::new(1),
            busy: Vec::new(),
        }
    }
}

impl Sending {
    /// Whether the next delivery is lost, and then whether the log knows of it.
    pub(crate) fn lose(&mut self) -> Option<bool> {
        if self.lose_next > 0 {
            self.lose_next -= 1;
            return Some(self.is_loss_logged);
        }
        (self.lose_fraction > 0.0 && self.chance.happens(self.lose_fraction)).then_some(self.is_loss_logged)
    }
}

/// A delivery taken out of its queue.
struct Taken {
    hook: u64,
    url: String,
    secret: Option<String>,
    delivery: Delivery,
}

/// Whether something is on its way or could be.
pub(crate) fn is_idle(world: &World) -> bool {
    let waits = world.repositories.values().flat_map(|repository| &repository.hooks);
    world.sending.busy.is_empty() && waits.map(|hook| hook.queue.len()).sum::<usize>() == 0
}

/// Sends what is queued, for ever.
pub(crate) async fn run(shared: Arc<Shared>) {
    let built =
        reqwest::Client::builder().timeout(LIMIT).no_proxy().redirect(reqwest::redirect::Policy::none());
    let client = built.build().unwrap();
    loop {
        // Asked for before the look, so that a ring between the look and the wait is not missed.
        let rung = shared.bell.notified();
        let taken = take(&mut shared.lock());
        for one in taken {
            tokio::spawn(send(Arc::clone(&shared), client.clone(), one));
        }
        rung.await;
    }
}

/// The first delivery of each hook that is not busy.
fn take(world: &mut World) -> Vec<Taken> {
    let World { repositories, sending, .. } = world;
    let mut taken = Vec::new();
    if sending.is_paused {
        return taken;
    }
    for hook in repositories.values_mut().flat_map(|repository| &mut repository.hooks) {
        if sending.busy.contains(&hook.id) {
            continue;
        }
        let Some(delivery) = hook.queue.pop_front() else { continue };
        sending.busy.push(hook.id);
        taken.push(Taken { hook: hook.id, url: hook.url.clone(), secret: hook.secret.clone(), delivery });
    }
    taken
}

async fn send(shared: Arc<Shared>, client: reqwest::Client, taken: Taken) {
    let Taken { hook: id, url, secret, mut delivery } = taken;
    let body = delivery.body.to_string().into_bytes();
    let mut request = client.post(url);
    for (name, value) in delivery.headers(id) {
        request = request.header(name, value);
    }
    if let Some(secret) = secret {
        request = request.header("X-Hub-Signature-256", signature(&secret, &body));
    }
    let begun = Instant::now();
    match request.body(body).send().await {
        Ok(answer) => {
            delivery.code = answer.status().as_u16();
            let reason = answer.status().canonical_reason().unwrap_or("Invalid HTTP Response");
            delivery.status = if answer.status().is_success() { "OK" } else { reason }.to_owned();
            let text = answer.text().await.unwrap_or_default();
            delivery.answer = text.chars().take(KEPT).collect();
        }
        Err(err) if err.is_timeout() => {
            delivery.code = 504;
            delivery.status = "timed out".to_owned();
        }
        Err(_) => {
            delivery.code = 502;
            delivery.status = "failed to connect to host".to_owned();
        }
    }
    delivery.duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut world = shared.lock();
    delivery.delivered_ms = world.now();
    world.sending.busy.retain(|busy| *busy != id);
    let mut hooks = world.repositories.values_mut().flat_map(|repository| &mut repository.hooks);
    if let Some(hook) = hooks.find(|hook| hook.id == id) {
        hook.record(delivery);
    }
    drop(world);
    shared.bell.notify_waiters();
}

/// The value of `X-Hub-Signature-256`.
fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}
