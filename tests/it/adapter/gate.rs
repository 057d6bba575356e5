//! Approvals for tests, made the only way there is: by folding the events of a run whose request a person confirmed.

use agentpr::domain::actor::Actor;
use agentpr::domain::event::{
    DiscoveryStarted, Event, HumanReviewRequested, PrApproved, PrRequested, Recorded, RunCreated,
};
use agentpr::domain::evidence::{Change, Prepared};
use agentpr::domain::gate::{Approved, PolicyReport, PrBinding, PrRequest};
use agentpr::domain::id::{Digest, EventSeq, RequestId, RunId, Version};
use agentpr::domain::run::Run;
use agentpr::domain::spec::RunSpec;
use agentpr::domain::state::State;
use agentpr::domain::time::{Moment, Timestamp};
use agentpr::ports::workspace::Workspace;

use super::world::World;

/// The approval of a change, bound to what the control repository says of it.
pub(super) async fn approved(
    world: &World,
    run: &RunId,
    spec: &RunSpec,
    prepared: &Prepared,
    change: &Change,
    request: &str,
) -> Approved {
    let found = world.workspace.inspect(&spec.repo, &prepared.base_sha, &change.head_sha).await.unwrap();
    let any = Digest::new("0".repeat(64)).unwrap();
    let binding = PrBinding {
        repo: spec.repo.clone(),
        repo_id: None,
        base_branch: prepared.base_branch.clone(),
        base_sha: prepared.base_sha.clone(),
        head_branch: spec.head_branch.clone(),
        head_sha: change.head_sha.clone(),
        tree: found.tree,
        diff_digest: found.diff_digest,
        text_digest: any.clone(),
        policy_digest: any,
    };
    let request = Wish { id: request, ..Wish::default() };
    approval(run, spec, &binding, &request)
}

/// What is asked for beside the change.
pub(crate) struct Wish<'a> {
    pub(crate) id: &'a str,
    pub(crate) body: &'a str,
    pub(crate) draft: bool,
}

impl Default for Wish<'_> {
    fn default() -> Self {
        Self { id: "req-1", body: "It was wrong.", draft: false }
    }
}

/// The approval of what a binding says.
pub(crate) fn approval(run: &RunId, spec: &RunSpec, binding: &PrBinding, wish: &Wish<'_>) -> Approved {
    let request = PrRequest {
        id: RequestId::new(wish.id).unwrap(),
        binding: binding.clone(),
        title: "Fix it".to_owned(),
        body: wish.body.to_owned(),
        draft: wish.draft,
        requester: Actor::cli("ada"),
        issued: Moment { wall: Timestamp(1_000), boot: "boot".to_owned(), monotonic_ms: 0 },
        ttl_secs: 60,
        token_hash: binding.text_digest.clone(),
        card: PolicyReport::default(),
    };
    let events: Vec<Event> = vec![
        RunCreated { spec: spec.clone() }.into(),
        DiscoveryStarted {}.into(),
        HumanReviewRequested { reason: "ready_for_review".to_owned(), message: String::new() }.into(),
        PrRequested { request: request.clone() }.into(),
        PrApproved { request: request.id.clone(), by: Actor::cli("ada"), standing: false }.into(),
    ];
    let recorded: Vec<Recorded> = events
        .into_iter()
        .zip(1..)
        .map(|(event, number)| Recorded {
            seq: EventSeq(number),
            run: run.clone(),
            version: Version(number),
            at: Timestamp(1_000),
            actor: Actor::cli("ada"),
            cause: None,
            key: None,
            state: State::Queued,
            event,
        })
        .collect();
    let folded = Run::fold(&recorded).unwrap().unwrap();
    Approved::verify(&folded, binding, &request.issued).unwrap()
}
