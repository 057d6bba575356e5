//! Takes what people say about a pull request, keeps it, and sends the events of it.

use serde_json::{Value, json};

use crate::message::Reply;
use crate::pull::association;
use crate::report::{needed, text};
use crate::talk::{Comment, Remark, Review};
use crate::world::World;

impl World {
    /// The web address of a pull request, and its repository's in the API.
    pub(crate) fn page(&self, id: u64, number: u64) -> (String, String) {
        let place = self.place(id, "");
        (format!("{}/pull/{number}", place.web), place.api)
    }

    pub(crate) fn review(&mut self, id: u64, number: u64, wish: &Value) -> Result<u64, Reply> {
        let by = needed(wish, "by")?;
        let state = needed(wish, "state")?.to_uppercase();
        self.user(&by);
        let (review, now) = (self.id(), self.now());
        let pull = self.pull_mut(id, number)?;
        let sha = text(wish, "sha").unwrap_or_else(|| pull.head_sha.clone());
        let body = text(wish, "body").unwrap_or_default();
        pull.reviews.push(Review { id: review, by, state, body, sha, at_ms: now });
        self.review_told(id, number, review, "submitted", None)?;
        Ok(review)
    }

    /// Changes a review's text or dismisses it.
    pub(crate) fn review_changed(
        &mut self,
        id: u64,
        number: u64,
        action: &str,
        wish: &Value,
    ) -> Result<u64, Reply> {
        let pull = self.pull_mut(id, number)?;
        let (known, by) = (wish["review"].as_u64(), wish["by"].as_str());
        let is_meant = |review: &&mut Review| match known {
            Some(known) => review.id == known,
            None => by.is_some_and(|by| review.by.eq_ignore_ascii_case(by)) && review.state != "DISMISSED",
        };
        let review = pull.reviews.iter_mut().rev().find(is_meant).ok_or_else(Reply::not_found)?;
        if action == "dismissed" {
            review.state = "DISMISSED".to_owned();
        }
        if let Some(body) = text(wish, "body") {
            review.body = body;
        }
        let review = review.id;
        self.review_told(id, number, review, action, wish["actor"].as_str())?;
        Ok(review)
    }

    fn review_told(
        &mut self,
        id: u64,
        number: u64,
        review: u64,
        action: &str,
        actor: Option<&str>,
    ) -> Result<(), Reply> {
        let pull = self.pull(id, number)?;
        let review =
            pull.reviews.iter().find(|own| own.id == review).cloned().ok_or_else(Reply::not_found)?;
        let (page, api) = self.page(id, number);
        let api = format!("{api}/pulls/{number}");
        let association = association(self, id, &review.by);
        let mut shape = review.json(&self.user_json(&review.by), &api, &page, association);
        shape["state"] = json!(review.state.to_lowercase());
        let body = json!({"review": shape, "pull_request": pull.line(self, id)});
        self.emit(id, "pull_request_review", Some(action), actor.unwrap_or(&review.by), body);
        Ok(())
    }

    pub(crate) fn comment(&mut self, id: u64, number: u64, wish: &Value) -> Result<Value, Reply> {
        let (by, body) = (needed(wish, "by")?, needed(wish, "body")?);
        self.user(&by);
        let association = text(wish, "association").unwrap_or_else(|| association(self, id, &by).to_owned());
        let comment = Comment { id: self.id(), by, body, association, at_ms: self.now() };
        let (page, api) = self.page(id, number);
        let shape = comment.json(&self.user_json(&comment.by), &api, &page, number);
        let by = comment.by.clone();
        let pull = self.pull_mut(id, number)?;
        pull.comments.push(comment);
        let issue = json!({"id": pull.id, "number": number, "title": pull.title, "state": pull.state(),
            "body": pull.body, "html_url": page, "url": format!("{api}/issues/{number}"),
            "pull_request": {"url": format!("{api}/pulls/{number}"), "html_url": page}});
        let body = json!({"issue": issue, "comment": shape});
        self.emit(id, "issue_comment", Some("created"), &by, body);
        Ok(shape)
    }

    pub(crate) fn remark(&mut self, id: u64, number: u64, wish: &Value) -> Result<u64, Reply> {
        let (by, body) = (needed(wish, "by")?, needed(wish, "body")?);
        self.user(&by);
        let association = text(wish, "association").unwrap_or_else(|| association(self, id, &by).to_owned());
        let pull = self.pull(id, number)?;
        let sha = text(wish, "sha").unwrap_or_else(|| pull.head_sha.clone());
        let remark = Remark {
            id: 0,
            by,
            body,
            path: text(wish, "path").unwrap_or_else(|| "README.md".to_owned()),
            line: wish["line"].as_u64(),
            sha,
            association,
            is_resolved: wish["resolved"] == true,
            at_ms: self.now(),
        };
        let remark = Remark { id: self.id(), ..remark };
        let (page, api) = self.page(id, number);
        let shape = remark.json(&self.user_json(&remark.by), &api, &page, number);
        let (number_of, by) = (remark.id, remark.by.clone());
        self.pull_mut(id, number)?.remarks.push(remark);
        let body = json!({"comment": shape, "pull_request": self.pull(id, number)?.line(self, id)});
        self.emit(id, "pull_request_review_comment", Some("created"), &by, body);
        Ok(number_of)
    }
}
