//! Where pull requests stand: 25 of them by one question.

use super::forge::GitHubForge;
use super::snapshot::{SnapshotError, facts, query, variables};
use crate::ports::forge::{ForgeError, Observed, Watched};

/// Pull requests in one question. One with everything that is asked about it counts some 300 of the 500,000 things that GitHub lets a
/// question be about; what bounds it is the ten seconds GitHub gives itself for the answer.
const CHUNK: usize = 25;

impl GitHubForge {
    pub(super) async fn observe_all(&self, watched: &[Watched]) -> Result<Vec<Observed>, ForgeError> {
        let mut all = Vec::with_capacity(watched.len());
        for chunk in watched.chunks(CHUNK) {
            let answered = self.observe_some(chunk).await;
            all.extend(answered.unwrap_or_else(|err| {
                let failed = |one: &Watched| Observed { run: one.run.clone(), facts: Err(err.clone()) };
                chunk.iter().map(failed).collect()
            }));
        }
        Ok(all)
    }

    async fn observe_some(&self, chunk: &[Watched]) -> Result<Vec<Observed>, ForgeError> {
        let asked: Vec<_> = chunk.iter().map(|one| (one.repo.owner(), one.repo.repo(), one.number)).collect();
        let asked_at = self.clock.now().wall;
        let answer = self.client.graphql(&query(chunk.len()), variables(&asked)).await?;
        let one = |(index, one): (usize, &Watched)| {
            let facts = facts(&answer, index, asked_at).map_err(|err| match err {
                SnapshotError::NotFound => {
                    ForgeError::NotFound(format!("{}, pull request {}", one.repo, one.number))
                }
                SnapshotError::Shape(_) => ForgeError::Unavailable(err.to_string()),
            });
            Observed { run: one.run.clone(), facts }
        };
        Ok(chunk.iter().enumerate().map(one).collect())
    }
}
