//! Who we are on GitHub, what we may do there, and how much is left of what we may ask.

use serde::Deserialize;

use super::forge::{GitHubForge, shaped};
use crate::domain::spec::RunSpec;
use crate::domain::time::Timestamp;
use crate::ports::forge::{Access, Allowance, ForgeError, Reached};

#[derive(Deserialize)]
struct Limits {
    resources: Resources,
}

#[derive(Deserialize)]
struct Resources {
    core: Limit,
    graphql: Option<Limit>,
}

#[derive(Deserialize)]
struct Limit {
    limit: u64,
    remaining: u64,
    /// In seconds since 1970.
    reset: i64,
}

impl GitHubForge {
    pub(super) async fn access_to(&self, spec: Option<&RunSpec>) -> Result<Access, ForgeError> {
        let login = self.client.me().await?;
        let repository = match spec {
            None => None,
            Some(spec) => {
                let base = self.base_of(spec).await?;
                let may_push = base.may_push.unwrap_or(false);
                Some(Reached { name: base.name, may_push, is_closed: base.is_closed })
            }
        };
        let answer = self.client.get("/rate_limit").await?;
        // A server of one's own may have its limits switched off, and answers with 404 then.
        let limits = match answer.status {
            200 => allowances(shaped::<Limits>(answer.body, "limits")?),
            _ => Vec::new(),
        };
        Ok(Access { login, repository, limits })
    }
}

fn allowances(limits: Limits) -> Vec<Allowance> {
    let Resources { core, graphql } = limits.resources;
    let named = [("REST", Some(core)), ("GraphQL", graphql)];
    let allowance = |(name, limit): (&'static str, Option<Limit>)| {
        let Limit { limit, remaining, reset } = limit?;
        Some(Allowance { name, left: remaining, of: limit, until: Timestamp(reset.saturating_mul(1_000)) })
    };
    named.into_iter().filter_map(allowance).collect()
}
