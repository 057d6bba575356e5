//! Skeleton.
use std::{path::PathBuf, sync::Arc, time::Duration};
use crate::ports::{clock::Clock, forge::ForgeError};
/// s
#[derive(Clone)] pub struct GitHubClient;
/// s
pub struct ClientSettings { /// s
 pub api_url: String, /// s
 pub login: Login, /// s
 pub state_dir: PathBuf, /// s
 pub write_gap: Duration, /// s
 pub time_limit: Duration }
/// s
pub enum Login { /// s
 Token(Secret), /// s
 App { /// s
 app_id: u64, /// s
 installation: u64, /// s
 key_pem: Secret }, /// s
 Later(Arc<dyn Fn() -> Option<Secret> + Send + Sync>) }
/// s
#[derive(Clone)] pub struct Secret(String);
impl Secret { /// s
 pub fn new(t:&str)->Self{Self(t.to_owned())} /// s
 pub fn reveal(&self)->&str{&self.0} }
/// s
pub struct Answer { /// s
 pub status: u16, /// s
 pub body: serde_json::Value, /// s
 pub next: Option<String> }
/// s
pub enum Verb { /// s
 Post, /// s
 Patch, /// s
 Put, /// s
 Delete }
fn no<T>() -> Result<T, ForgeError> { Err(ForgeError::Unavailable(String::new())) }
impl GitHubClient {
/// s
 pub fn new(_s: ClientSettings, _c: Arc<dyn Clock>) -> Result<Self, ForgeError> { no() }
/// s
 pub async fn get(&self, _path: &str) -> Result<Answer, ForgeError> { no() }
/// s
 pub async fn pages(&self, _path: &str, _most: usize) -> Result<Vec<serde_json::Value>, ForgeError> { no() }
/// s
 pub async fn write(&self, _verb: Verb, _path: &str, _body: &serde_json::Value) -> Result<Answer, ForgeError> { no() }
/// s
 pub async fn graphql(&self, _query: &str, _variables: serde_json::Value) -> Result<serde_json::Value, ForgeError> { no() }
/// s
 pub async fn text_elsewhere(&self, _path: &str, _most: usize) -> Result<Option<String>, ForgeError> { no() }
/// s
 pub async fn token(&self) -> Result<Secret, ForgeError> { no() }
/// s
 pub fn token_now(&self) -> Option<Secret> { None }
/// s
 pub async fn me(&self) -> Result<String, ForgeError> { no() }
}
