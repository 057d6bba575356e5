//! The gate end to end: what is confirmed is what is pushed, and nothing else ever is.

use std::sync::Arc;
use std::time::Duration;

use agentpr::app::AppError;
use agentpr::app::gate::{Confirmation, PrText};
use agentpr::domain::decide::Rejection;
use agentpr::domain::event::Event;
use agentpr::domain::gate::Drift;
use agentpr::domain::id::RunId;
use agentpr::domain::state::State;

use super::Scene;

impl Scene {
    /// A run that waits at the gate, with its token.
    pub(super) async fn at_the_gate(name: &str) -> (Self, RunId, String) {
        let scene = Self::new();
        let run = scene.submit(name);
        scene.app.drive(&run, &scene.stop).await.unwrap();
        let token = scene.world.token(&run);
        (scene, run, token)
    }

    pub(super) async fn confirm(&self, run: &RunId, token: &str) -> Result<(), AppError> {
        let confirmation = Confirmation { token: token.to_owned(), confirmed: true, claimed: None };
        self.app.confirm(run, &confirmation, &Self::person()).await.map(drop)
    }

    async fn refusal(&self, run: &RunId, token: &str) -> Rejection {
        match self.confirm(run, token).await {
            Err(AppError::Refused { rejection, .. }) => rejection,
            other => panic!("not refused: {other:?}"),
        }
    }

    fn nothing_left(&self) {
        assert!(self.world.pushes().is_empty());
        assert_eq!(self.world.pulls(), 0);
    }
}

#[tokio::test]
async fn a_confirmed_request_is_pushed_and_opened_once() {
    let (scene, run, token) = Scene::at_the_gate("r1").await;
    scene.confirm(&run, &token).await.unwrap();
    let done = scene.app.complete_approved(&run, &scene.stop).await.unwrap();
    assert_eq!(done.state, State::CiWait);
    assert_eq!(scene.world.pushes(), vec![done.change.unwrap().head_sha]);
    assert_eq!(scene.world.pulls(), 1);
    assert_eq!(scene.refusal(&run, &token).await, Rejection::TokenUsed);
    let again = scene.app.complete_approved(&run, &scene.stop).await.unwrap();
    assert_eq!((again.state, scene.world.pulls()), (State::CiWait, 1));
}

#[tokio::test]
async fn small_letters_and_spaces_are_what_phones_make_of_a_token() {
    let (scene, run, token) = Scene::at_the_gate("r1").await;
    scene.confirm(&run, &format!(" {} ", token.to_lowercase())).await.unwrap();
}

#[tokio::test]
async fn digits_read_as_letters_are_what_was_meant() {
    let (scene, run, token) = Scene::at_the_gate("r1").await;
    let mut misread = token.replace('0', "o").replacen('1', "l", 1).replace('1', "I");
    misread.insert(9, ' ');
    assert_ne!(misread, token);
    scene.confirm(&run, &misread).await.unwrap();
}

#[tokio::test]
async fn five_wrong_tokens_cancel_the_request_and_the_right_one_comes_too_late() {
    let (scene, run, token) = Scene::at_the_gate("r1").await;
    for left in [4, 3, 2, 1] {
        assert_eq!(scene.refusal(&run, "WRONG").await, Rejection::WrongToken { tries_left: left });
    }
    assert_eq!(scene.refusal(&run, "WRONG").await, Rejection::TooManyWrongTokens);
    assert_eq!(scene.refusal(&run, &token).await, Rejection::TooManyWrongTokens);
    scene.nothing_left();
}

#[tokio::test]
async fn a_wrong_token_is_counted_even_when_the_remote_does_not_answer() {
    let (scene, run, _) = Scene::at_the_gate("r1").await;
    scene.world.unreachable(true);
    assert_eq!(scene.refusal(&run, "WRONG").await, Rejection::WrongToken { tries_left: 4 });
    assert_eq!(scene.count(&run, |event| matches!(event, Event::TokenRefused(_))), 1);
}

#[tokio::test]
async fn another_runs_token_is_known_for_what_it_is() {
    let (scene, run, _) = Scene::at_the_gate("r1").await;
    let other = scene.submit("r2");
    scene.app.drive(&other, &scene.stop).await.unwrap();
    let foreign = scene.world.token(&other);
    assert_eq!(scene.refusal(&run, &foreign).await, Rejection::ForeignToken);
    scene.nothing_left();
}

#[tokio::test]
async fn a_newer_request_takes_the_place_of_the_older() {
    let (scene, run, older) = Scene::at_the_gate("r1").await;
    let (newer, _) = scene.app.request_pr(&run, &PrText::default(), &Scene::person()).await.unwrap();
    assert!(matches!(scene.refusal(&run, &older).await, Rejection::Superseded { .. }));
    scene.confirm(&run, &newer.token).await.unwrap();
}

#[tokio::test]
async fn an_expired_token_stays_expired_when_the_wall_clock_is_set_back() {
    let (scene, run, token) = Scene::at_the_gate("r1").await;
    scene.world.pass(Duration::from_secs(31 * 60));
    scene.world.set_wall_back(Duration::from_secs(31 * 60));
    assert_eq!(scene.refusal(&run, &token).await, Rejection::Expired);
    scene.nothing_left();
}

#[tokio::test]
async fn a_moved_base_makes_the_approval_stale_and_says_so() {
    let (scene, run, token) = Scene::at_the_gate("r1").await;
    scene.world.move_branch("main", 2);
    assert_eq!(scene.refusal(&run, &token).await, Rejection::Stale { drift: vec![Drift::BaseMoved] });
    scene.nothing_left();
}

#[tokio::test]
async fn a_base_branch_that_is_gone_ends_the_request() {
    let (scene, run, token) = Scene::at_the_gate("r1").await;
    scene.world.delete_branch("main");
    let gone = Rejection::Stale { drift: vec![Drift::BaseBranch] };
    assert_eq!(scene.refusal(&run, &token).await, gone);
    scene.world.move_branch("main", 1);
    assert!(matches!(scene.refusal(&run, &token).await, Rejection::Stale { .. }));
    scene.nothing_left();
}

#[tokio::test]
async fn a_base_branch_that_goes_after_the_confirmation_stops_the_push() {
    let (scene, run, token) = Scene::at_the_gate("r1").await;
    scene.confirm(&run, &token).await.unwrap();
    scene.world.delete_branch("main");
    let after = scene.app.complete_approved(&run, &scene.stop).await.unwrap();
    assert_eq!(after.last_error.unwrap().reason_code, "stale");
    scene.nothing_left();
}

#[tokio::test]
async fn a_base_that_moves_after_the_confirmation_stops_the_push() {
    let (scene, run, token) = Scene::at_the_gate("r1").await;
    scene.confirm(&run, &token).await.unwrap();
    scene.world.move_branch("main", 2);
    let after = scene.app.complete_approved(&run, &scene.stop).await.unwrap();
    assert_eq!(after.state, State::NeedsHumanReview);
    assert_eq!(after.last_error.unwrap().reason_code, "stale");
    scene.nothing_left();
}

#[tokio::test]
async fn an_approval_that_was_not_carried_out_in_time_is_not_carried_out() {
    let (scene, run, token) = Scene::at_the_gate("r1").await;
    scene.confirm(&run, &token).await.unwrap();
    scene.world.pass(Duration::from_secs(31 * 60));
    let after = scene.app.complete_approved(&run, &scene.stop).await.unwrap();
    assert_eq!(after.last_error.unwrap().reason_code, "expired");
    scene.nothing_left();
}

#[tokio::test]
async fn a_foreign_branch_of_that_name_is_not_overwritten() {
    let (scene, run, token) = Scene::at_the_gate("r1").await;
    scene.world.move_branch("agentpr/r1", 66);
    scene.confirm(&run, &token).await.unwrap();
    let after = scene.app.complete_approved(&run, &scene.stop).await.unwrap();
    assert_eq!(after.last_error.unwrap().reason_code, "branch_moved");
    scene.nothing_left();
}

#[tokio::test]
async fn of_two_confirmations_at_once_one_counts() {
    let (scene, run, token) = Scene::at_the_gate("r1").await;
    let other = scene.world.app(&scene.store, "other");
    let confirmation = Confirmation { token, confirmed: true, claimed: None };
    let (app, second) = (Arc::clone(&scene.app), confirmation.clone());
    let (one, two) = (Scene::person(), Scene::person());
    let (first, second) =
        tokio::join!(app.confirm(&run, &confirmation, &one), other.confirm(&run, &second, &two));
    assert_eq!([first.is_ok(), second.is_ok()].into_iter().filter(|ok| *ok).count(), 1);
    assert_eq!(scene.count(&run, |event| matches!(event, Event::PrApproved(_))), 1);
    scene.app.complete_approved(&run, &scene.stop).await.unwrap();
    assert_eq!(scene.world.pulls(), 1);
}

#[tokio::test]
async fn a_request_file_that_says_something_else_is_refused_before_the_token_is_looked_at() {
    let (scene, run, token) = Scene::at_the_gate("r1").await;
    let (issued, _) = scene.app.request_pr(&run, &PrText::default(), &Scene::person()).await.unwrap();
    let mut forged = issued.request.clone();
    "evil".clone_into(&mut forged.title);
    let confirmation = Confirmation { token: issued.token, confirmed: true, claimed: Some(forged) };
    let refused = scene.app.confirm(&run, &confirmation, &Scene::person()).await.unwrap_err();
    assert!(matches!(refused, AppError::RequestFileMismatch { field: "title" }), "{refused}");
    assert_ne!(token, confirmation.token);
    scene.nothing_left();
}
