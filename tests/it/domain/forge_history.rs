//! Histories of a pull request as a forge lives through them, and the ways in which they are told.

use agentpr::domain::forge::fact::{
    CheckFact, CheckKind, CommentFact, CommentKind, ForgeFact, HeadFact, PullFact, PullState, RepositoryFact,
    ReviewFact,
};
use agentpr::domain::id::CommitSha;
use agentpr::domain::time::Timestamp;

use super::samples::{branch, pr, sha, start};
use super::seeds::Lot;

/// What may put an end to a run's part in its pull request; one history has one such end at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Open,
    Merged,
    Closed,
    ForeignPush,
    Archived,
    RepositoryDeleted,
}

const ENDS: [End; 10] = [
    End::Open,
    End::Open,
    End::Open,
    End::Open,
    End::Open,
    End::Merged,
    End::Closed,
    End::ForeignPush,
    End::Archived,
    End::RepositoryDeleted,
];

const WORDS: [Option<&str>; 12] = [
    None,
    None,
    Some("success"),
    Some("success"),
    Some("success"),
    Some("failure"),
    Some("neutral"),
    Some("skipped"),
    Some("cancelled"),
    Some("stale"),
    Some("action_required"),
    Some("a_word_of_next_year"),
];

/// A forge with one clock that shows seconds, and numbers that rise.
pub(super) struct Forge {
    lot: Lot,
    clock: i64,
    last_id: u64,
    head: CommitSha,
    pull: PullFact,
    names: u32,
    has_ended: bool,
    comments: Vec<CommentFact>,
    reviews: Vec<ReviewFact>,
    pub(super) end: End,
    pub(super) facts: Vec<ForgeFact>,
}

impl Forge {
    /// The history of `seed`: everything that happened, in order. Its pull request is not there and back: what was closed, moved or
    /// archived stays so, because a run that saw it in between is done, or a person's, and one that did not is neither.
    pub(super) fn lived(seed: u64) -> Self {
        let mut lot = Lot::new(seed);
        let end = ENDS[lot.below(ENDS.len())];
        let mut forge = Self::opened(lot, end);
        let much = forge.lot.below(60) == 0;
        let length = if much { 90 } else { 1 + forge.lot.below(16) };
        let ends_after = forge.lot.below(length + 1);
        for step in 0..length {
            if step == ends_after {
                forge.come_to_its_end();
            }
            if much && step % 4 != 0 { forge.comment() } else { forge.step() }
        }
        forge
    }

    /// A history in which things are undone: closed and opened again, moved away and back.
    pub(super) fn undone(seed: u64) -> Self {
        let mut forge = Self::opened(Lot::new(seed), End::Open);
        for _ in 0..1 + forge.lot.below(12) {
            match forge.lot.below(4) {
                0 => {
                    let is_open = forge.pull.state == PullState::Open;
                    forge.pull.state = if is_open { PullState::Closed } else { PullState::Open };
                    forge.tell_pull();
                }
                1 => {
                    let is_ours = forge.head == sha(1);
                    forge.move_head(sha(if is_ours { 0xf0 } else { 1 }));
                }
                _ => forge.step(),
            }
        }
        forge
    }

    fn opened(lot: Lot, end: End) -> Self {
        let pull = PullFact {
            number: pr(5),
            state: PullState::Open,
            draft: true,
            head_sha: sha(1),
            base_branch: Some(branch("main")),
            at: start().wall,
            by: None,
            merge_sha: None,
        };
        Self {
            lot,
            clock: start().wall.0 / 1_000,
            last_id: 100,
            head: sha(1),
            pull,
            names: 0,
            has_ended: false,
            comments: Vec::new(),
            reviews: Vec::new(),
            end,
            facts: Vec::new(),
        }
    }

    fn now(&mut self) -> Timestamp {
        self.clock += 1 + i64::try_from(self.lot.below(3)).unwrap();
        Timestamp(self.clock * 1_000)
    }

    fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn step(&mut self) {
        match self.lot.below(16) {
            0..=5 => self.check(),
            6..=7 => self.suite(),
            8 => self.status(),
            9..=11 => self.review(),
            12..=13 => self.comment(),
            14 => {
                self.pull.draft = !self.pull.draft;
                self.tell_pull();
            }
            _ if self.lot.below(2) == 0 && self.head == sha(1) => self.move_head(sha(1)),
            _ => self.rename(),
        }
    }

    fn come_to_its_end(&mut self) {
        self.has_ended = true;
        match self.end {
            End::Open => {}
            End::Merged | End::Closed => {
                let is_merged = self.end == End::Merged;
                self.pull.state = if is_merged { PullState::Merged } else { PullState::Closed };
                self.pull.merge_sha = is_merged.then(|| sha(0xee));
                self.tell_pull();
            }
            End::ForeignPush => self.move_head(sha(0xf0)),
            End::Archived | End::RepositoryDeleted => self.rename(),
        }
    }

    fn tell_pull(&mut self) {
        self.pull.at = self.now();
        self.pull.by = Some(["ann", "bob"][self.lot.below(2)].to_owned());
        self.facts.push(ForgeFact::Pull(self.pull.clone()));
    }

    /// A push is told of the branch and of the pull request.
    fn move_head(&mut self, to: CommitSha) {
        self.head = to.clone();
        self.pull.head_sha = to.clone();
        self.tell_pull();
        let (by, at) = (self.pull.by.clone(), self.pull.at);
        self.facts.push(ForgeFact::Head(HeadFact { sha: Some(to), by, at }));
    }

    fn rename(&mut self) {
        self.names += 1;
        let fact = RepositoryFact {
            id: 42,
            name: format!("octo/hello-{}", self.names).parse().unwrap(),
            archived: self.end == End::Archived && self.has_ended,
            deleted: self.end == End::RepositoryDeleted && self.has_ended,
            at: self.now(),
        };
        self.facts.push(ForgeFact::Repository(fact));
    }

    fn check(&mut self) {
        let which = self.lot.below(4);
        let suite = [Some(1), Some(1), Some(2), None][which];
        self.judge(CheckKind::Run, suite, ["build", "test", "lint", "docs"][which]);
    }

    fn suite(&mut self) {
        let suite = 1 + u64::try_from(self.lot.below(3)).unwrap();
        self.judge(CheckKind::Suite, Some(suite), "");
        // The run of a workflow tells of its suite too, and knows more.
        if let (0, Some(ForgeFact::Check(told))) = (self.lot.below(2), self.facts.last()) {
            let told = CheckFact { name: "CI".to_owned(), ..told.clone() };
            self.facts.push(ForgeFact::Check(told));
        }
    }

    fn status(&mut self) {
        let name = ["ci/one", "ci/two"][self.lot.below(2)];
        self.judge(CheckKind::Status, None, name);
    }

    fn judge(&mut self, kind: CheckKind, suite: Option<u64>, name: &str) {
        // Now and then about a commit of somebody else, which is none of the run's.
        let is_at_once = kind == CheckKind::Run && self.lot.below(3) == 0;
        let about = if self.lot.below(8) == 0 { sha(0xf0) } else { sha(1) };
        let fact = CheckFact {
            kind,
            id: suite.filter(|_| kind == CheckKind::Suite).unwrap_or_else(|| self.id()),
            suite,
            name: name.to_owned(),
            app: ["github-actions", "other"][self.lot.below(2)].to_owned(),
            head_sha: about,
            conclusion: WORDS[self.lot.below(WORDS.len())].map(str::to_owned),
            // Where numbers rise, one second may see several.
            at: if is_at_once { Timestamp(self.clock * 1_000) } else { self.now() },
            url: None,
            summary: String::new(),
        };
        self.facts.push(ForgeFact::Check(fact));
    }

    fn review(&mut self) {
        let fact = if self.lot.below(3) == 0 && !self.reviews.is_empty() {
            let which = self.lot.below(self.reviews.len());
            self.reviews[which].state = "dismissed".to_owned();
            self.reviews[which].clone()
        } else {
            let review = ReviewFact {
                id: self.id(),
                reviewer: ["ann", "Bob", "cleo"][self.lot.below(3)].to_owned(),
                state: ["approved", "changes_requested", "changes_requested"][self.lot.below(3)].to_owned(),
                commit: [None, Some(sha(1)), Some(sha(0xf0))][self.lot.below(3)].clone(),
                at: self.now(),
                body: "look again".to_owned(),
                association: String::new(),
            };
            self.reviews.push(review.clone());
            review
        };
        self.facts.push(ForgeFact::Review(fact));
    }

    fn comment(&mut self) {
        let what = self.lot.below(6);
        if what >= 4 && !self.comments.is_empty() {
            let which = self.lot.below(self.comments.len());
            let at = self.now();
            let comment = &mut self.comments[which];
            if comment.deleted {
                return;
            }
            // What is deleted keeps the time of its last change.
            if what == 5 {
                (comment.deleted, comment.body) = (true, String::new());
            } else {
                (comment.at, comment.body) = (at, format!("{} again", comment.body));
            }
            self.facts.push(ForgeFact::Comment(comment.clone()));
            return;
        }
        let comment = CommentFact {
            kind: [CommentKind::Issue, CommentKind::Line, CommentKind::Review][self.lot.below(3)],
            id: self.id(),
            author: "ann".to_owned(),
            association: "member".to_owned(),
            path: None,
            line: None,
            body: "hm".to_owned(),
            at: self.now(),
            deleted: false,
        };
        self.comments.push(comment.clone());
        self.facts.push(ForgeFact::Comment(comment));
    }
}
