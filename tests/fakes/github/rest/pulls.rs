//! Pull requests, their labels, comments and reviews.

use serde_json::{Value, json};

use super::{Scene, page};
use crate::change::Wanted;
use crate::message::{Answer, Reply};
use crate::pull::{Pull, association, label};
use crate::user::Level;
use crate::world::World;

pub(super) fn route(world: &mut World, scene: &Scene<'_>, rest: &[&str]) -> Answer {
    let method = scene.ask.method.as_str();
    match (method, rest) {
        ("GET", ["pulls"]) => list(world, scene),
        ("POST", ["pulls"]) => open(world, scene),
        ("GET", ["pulls", number]) => {
            let pull = world.pull(scene.id, parse(number)?)?;
            Ok(Reply::json(200, &pull.json(world, scene.id)))
        }
        ("PATCH", ["pulls", number]) => {
            let number = parse(number)?;
            let author = world.pull(scene.id, number)?.author.clone();
            if !author.eq_ignore_ascii_case(&scene.who.login) {
                scene.needs(Level::Triage)?;
            }
            world.edit(scene.id, number, &scene.who.login, &scene.ask.json()?)?;
            Ok(Reply::json(200, &world.pull(scene.id, number)?.json(world, scene.id)))
        }
        ("GET", ["pulls", number, "reviews"]) => {
            let (page, api) = world.page(scene.id, parse(number)?);
            let pull = world.pull(scene.id, parse(number)?)?;
            let api = format!("{api}/pulls/{number}");
            let shape = |review: &crate::talk::Review| {
                let association = association(world, scene.id, &review.by);
                review.json(&world.user_json(&review.by), &api, &page, association)
            };
            Ok(page::list(world, scene.ask, pull.reviews.iter().map(shape).collect()))
        }
        ("GET", ["pulls", number, "comments"]) => {
            let number = parse(number)?;
            let (page, api) = world.page(scene.id, number);
            let pull = world.pull(scene.id, number)?;
            let all = pull.remarks.iter();
            let all =
                all.map(|remark| remark.json(&world.user_json(&remark.by), &api, &page, number)).collect();
            Ok(page::list(world, scene.ask, all))
        }
        ("GET", ["issues", number, "comments"]) => {
            let number = parse(number)?;
            let (page, api) = world.page(scene.id, number);
            let pull = world.pull(scene.id, number)?;
            let all = pull.comments.iter();
            let all =
                all.map(|comment| comment.json(&world.user_json(&comment.by), &api, &page, number)).collect();
            Ok(page::list(world, scene.ask, all))
        }
        ("POST", ["issues", number, "comments"]) => {
            let mut wish = scene.ask.json()?;
            if wish["body"].as_str().is_none_or(|body| body.trim().is_empty()) {
                let missing = json!([{"resource": "IssueComment", "code": "missing_field", "field": "body"}]);
                return Err(Reply::invalid(&missing));
            }
            wish = json!({"by": scene.who.login, "body": wish["body"]});
            Ok(Reply::json(201, &world.comment(scene.id, parse(number)?, &wish)?))
        }
        ("GET", ["issues", number, "labels"]) => Ok(labels(world, scene, parse(number)?)?),
        ("POST", ["issues", number, "labels"]) => {
            scene.needs(Level::Triage)?;
            let wish = scene.ask.json()?;
            let names: Vec<String> = serde_json::from_value(wish["labels"].clone()).map_err(|_| {
                Reply::invalid(&json!([{"resource": "Label", "code": "invalid", "field": "name"}]))
            })?;
            let pull = world.pull_mut(scene.id, parse(number)?)?;
            let mut fresh = Vec::new();
            for name in names {
                if !pull.labels.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                    pull.labels.push(name.clone());
                    fresh.push(name);
                }
            }
            for name in fresh {
                let more = json!({"label": label("", &name)});
                world.told(scene.id, parse(number)?, "labeled", &scene.who.login, more);
            }
            Ok(labels(world, scene, parse(number)?)?)
        }
        _ => Err(Reply::not_found()),
    }
}

fn parse(number: &str) -> Result<u64, Reply> {
    number.parse().map_err(|_| Reply::not_found())
}

fn labels(world: &World, scene: &Scene<'_>, number: u64) -> Answer {
    let (_, api) = world.page(scene.id, number);
    let all = world.pull(scene.id, number)?.labels.iter().map(|name| label(&api, name)).collect();
    Ok(page::list(world, scene.ask, all))
}

fn list(world: &World, scene: &Scene<'_>) -> Answer {
    let repository = world.repositories.get(&scene.id).ok_or_else(Reply::not_found)?;
    let state = scene.ask.asked("state").unwrap_or("open");
    // A head without its owner is no filter at all: GitHub gives everything then.
    let head = scene.ask.asked("head").filter(|head| head.contains(':')).map(str::to_lowercase);
    let base = scene.ask.asked("base");
    let is_meant = |pull: &&Pull| {
        (state == "all" || state == pull.state())
            && head.as_ref().is_none_or(|head| *head == pull.label().to_lowercase())
            && base.is_none_or(|base| base == pull.base_branch)
    };
    let mut all: Vec<&Pull> = repository.pulls.values().filter(is_meant).collect();
    if scene.ask.asked("direction") != Some("asc") {
        all.reverse();
    }
    let all: Vec<Value> = all.into_iter().map(|pull| pull.line(world, scene.id)).collect();
    Ok(page::list(world, scene.ask, all))
}

fn open(world: &mut World, scene: &Scene<'_>) -> Answer {
    let wish = scene.ask.json()?;
    let text = |name: &str| wish[name].as_str().unwrap_or_default();
    let wanted = Wanted {
        head: text("head"),
        base: text("base"),
        title: text("title"),
        body: wish["body"].as_str(),
        by: &scene.who.login,
        is_draft: wish["draft"] == true,
        may_maintainers_push: wish["maintainer_can_modify"] != false,
    };
    let number = world.open(scene.id, &wanted)?;
    let pull = world.pull(scene.id, number)?;
    let url = format!("{}/pulls/{number}", world.page(scene.id, number).1);
    Ok(Reply::json(201, &pull.json(world, scene.id)).with("location", url))
}
