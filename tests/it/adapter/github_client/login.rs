//! Logins: tokens of any form, Apps whose tokens are renewed, and nothing of either in words.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentpr::adapters::forge::github::client::{ClientSettings, GitHubClient, Login, Secret, Verb};
use agentpr::ports::forge::ForgeError;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};

use super::server::{Act, say};
use super::{Stage, TODAY, TOKEN};
use crate::harness::skip::skipped;

/// A new key in PKCS#1, as GitHub hands them out; none when there is no openssl.
pub(crate) fn key() -> Option<String> {
    let made = Command::new("openssl").args(["genrsa", "-traditional", "2048"]).output();
    let key =
        made.ok().filter(|made| made.status.success()).map(|made| String::from_utf8(made.stdout).unwrap());
    if key.is_none() {
        skipped("openssl not found");
    }
    key
}

fn app(key: &str) -> Login {
    Login::App { app_id: 42, installation: 7, key_pem: Secret::new(key) }
}

/// An installation's token that ends so many seconds after the tests begin.
fn granted(token: &str, ends: i64) -> Act {
    let ends = jiff::Timestamp::from_second(i64::try_from(TODAY / 1_000).unwrap() + ends).unwrap();
    say(201, &json!({"token": token, "expires_at": ends.to_string(), "permissions": {}}))
}

fn bearers(stage: &Stage) -> Vec<String> {
    let came = stage.server.came();
    came.iter().map(|came| came.header("authorization").unwrap().replace("Bearer ", "")).collect()
}

#[tokio::test]
async fn an_app_token_is_renewed_before_it_ends() {
    let Some(key) = key() else { return };
    let stage = Stage::new([granted("ghs_42_first.a.b", 3_600)]);
    let client = stage.client_as(app(&key));
    assert!(client.token_now().is_none());
    let _answer = client.get("/a").await.unwrap();
    stage.clock.forward(Duration::from_secs(3_600 - 302));
    let _answer = client.get("/b").await.unwrap();
    stage.server.then([granted("ghs_42_second.a.b", 7_200)]);
    stage.clock.forward(Duration::from_secs(3));
    assert_eq!(client.token().await.unwrap().reveal(), "ghs_42_second.a.b");
    assert_eq!(client.token_now().unwrap().reveal(), "ghs_42_second.a.b");
    let _answer = client.write(Verb::Post, "/c", &json!({})).await.unwrap();
    let asked = "POST /api/v3/app/installations/7/access_tokens";
    assert_eq!(stage.lines(), [asked, "GET /api/v3/a", "GET /api/v3/b", asked, "POST /api/v3/c"]);
    let bearers = bearers(&stage);
    assert_eq!(
        [&bearers[1], &bearers[2], &bearers[4]],
        ["ghs_42_first.a.b", "ghs_42_first.a.b", "ghs_42_second.a.b"]
    );
}

#[tokio::test]
async fn an_app_says_who_it_is_with_a_signature_of_its_key_in_either_form() {
    let Some(key) = key() else { return };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &key).unwrap();
    let pkcs8 = Command::new("openssl")
        .args(["pkcs8", "-topk8", "-nocrypt", "-in"])
        .arg(file.path())
        .output()
        .unwrap();
    let pkcs8 = String::from_utf8(pkcs8.stdout).unwrap();
    let body: String = key.lines().filter(|line| !line.starts_with("-----")).collect();
    let pair = RsaKeyPair::from_der(&STANDARD.decode(body).unwrap()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public().as_ref());
    for form in [key.clone(), pkcs8, key.replace('\n', "\\n")] {
        let stage = Stage::new([granted("ghs_t", 3_600)]);
        let _token = stage.client_as(app(&form)).token().await.unwrap();
        let jwt = bearers(&stage).remove(0);
        let (text, signature) = jwt.rsplit_once('.').unwrap();
        public.verify(text.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        let part = |number: usize| -> Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text.split('.').nth(number).unwrap()).unwrap())
                .unwrap()
        };
        assert_eq!(part(0), json!({"alg": "RS256", "typ": "JWT"}));
        let now = i64::try_from(TODAY / 1_000).unwrap();
        let claims = part(1);
        assert_eq!(claims["iss"], "42");
        let (began, ends) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
        assert!((now - 60..now - 50).contains(&began) && ends - began == 600, "{claims}");
    }
}

#[tokio::test]
async fn an_app_token_that_is_not_taken_is_renewed_once() {
    let Some(key) = key() else { return };
    let refused = || say(401, &json!({"message": "Bad credentials"}));
    let stage =
        Stage::new([granted("ghs_1", 3_600), refused(), granted("ghs_2", 3_600), say(201, &json!({}))]);
    let client = stage.client_as(app(&key));
    assert_eq!(client.write(Verb::Post, "/a", &json!({})).await.unwrap().status, 201);
    stage.server.then([refused(), granted("ghs_3", 3_600), refused()]);
    let answer = client.get("/a").await;
    assert!(matches!(answer, Err(ForgeError::Denied(_))), "{answer:?}");
    assert_eq!(stage.server.came().len(), 7);
}

#[tokio::test]
async fn an_app_keeps_its_limits_when_its_token_is_renewed() {
    let Some(key) = key() else { return };
    let told = super::server::say_with(429, &[("retry-after", "900")], &json!({}));
    let stage = Stage::new([granted("ghs_1", 360), told]);
    let client = stage.client_as(app(&key));
    let _left = stage.left(client.get("/a").await);
    stage.clock.forward(Duration::from_secs(400));
    let _left = stage.left(client.get("/a").await);
    assert_eq!(stage.server.came().len(), 2, "not even a new token is asked for");
}

#[tokio::test]
async fn an_app_is_called_by_its_bot_s_name_and_a_person_by_theirs() {
    let stage = Stage::new([say(200, &json!({"login": "octo", "id": 1}))]);
    let client = stage.client();
    assert_eq!(
        (client.me().await.unwrap(), client.me().await.unwrap()),
        ("octo".to_owned(), "octo".to_owned())
    );
    assert_eq!(stage.lines(), ["GET /api/v3/user"]);
    let Some(key) = key() else { return };
    let stage = Stage::new([say(200, &json!({"slug": "agentpr", "id": 1}))]);
    assert_eq!(stage.client_as(app(&key)).me().await.unwrap(), "agentpr[bot]");
    assert_eq!(stage.lines(), ["GET /api/v3/app"]);
}

#[tokio::test]
async fn a_login_of_later_is_asked_once_and_only_when_it_is_needed() {
    let stage = Stage::new([]);
    let asked = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&asked);
    let client = stage.client_as(Login::Later(Arc::new(move || {
        own.fetch_add(1, Ordering::SeqCst);
        Some(Secret::new(&format!("{TOKEN}\n")))
    })));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    let _answer = client.get("/a").await.unwrap();
    let _answer = client.clone().get("/b").await.unwrap();
    assert_eq!(client.token_now().unwrap().reveal(), TOKEN);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(bearers(&stage), [TOKEN, TOKEN]);

    let none = stage.client_as(Login::Later(Arc::new(|| None)));
    let answer = none.get("/a").await;
    assert!(matches!(&answer, Err(ForgeError::Denied(why)) if why.contains("gh auth login")), "{answer:?}");
}

#[tokio::test]
async fn no_words_have_a_token_in_them() {
    let long = format!("ghs_12345_{}.{}", "a".repeat(250), "b".repeat(258));
    assert_eq!(long.len(), 519);
    let echo = json!({"message": format!("Bad credentials: {long}")});
    let stage = Stage::new([say(401, &echo), say(409, &echo), say(422, &echo), Act::Cut, say(502, &echo)]);
    let login = Login::Token(Secret::new(&long));
    let client = stage.client_as(login.clone());
    let mut words = format!("{client:?} {login:?} {:?}", app(&long));
    for _ in 0..5 {
        match client.write(Verb::Post, "/a", &json!({})).await {
            Ok(answer) => words += &answer.message(),
            Err(err) => words.extend([err.to_string(), format!("{err:?}")]),
        }
    }
    assert!(!words.contains(&long[..40]), "{words}");
    assert!(words.contains("Bad credentials"), "{words}");
    assert_eq!(bearers(&stage)[0], long);

    let settings = ClientSettings {
        api_url: "https://octo:hunter2@example.org/api/v3".to_owned(),
        login: Login::Token(Secret::new(&long)),
        state_dir: stage.folder.path().to_owned(),
        write_gap: Duration::ZERO,
        time_limit: Duration::from_secs(1),
    };
    let refused = GitHubClient::new(settings, Arc::new(stage.clock.clone())).unwrap_err().to_string();
    assert!(!refused.contains("hunter2") && refused.contains("user part"), "{refused}");
}

#[tokio::test]
async fn a_token_that_is_no_token_is_denied_and_not_sent() {
    let stage = Stage::new([]);
    let client = stage.client_as(Login::Token(Secret::new("two\nlines")));
    let answer = client.get("/a").await;
    assert!(matches!(answer, Err(ForgeError::Denied(_))), "{answer:?}");
    assert_eq!(stage.server.came().len(), 0);
}
