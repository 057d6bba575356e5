//! What other people do in a repository: push, review, merge, rename, and what continuous integration says.

use serde_json::{Value, json};

use super::make::rights;
use super::{done, wrong};
use crate::change::Wanted;
use crate::git;
use crate::message::{Answer, Reply};
use crate::report::needed;
use crate::world::World;

pub(super) fn route(world: &mut World, id: u64, rest: &[&str], body: &Value) -> Answer {
    let repository = world.repositories.get(&id).ok_or_else(Reply::not_found)?;
    let by = body["by"].as_str().unwrap_or(&repository.owner).to_owned();
    let number = |id: u64| Ok(Reply::json(201, &json!({"id": id})));
    match rest {
        ["rights"] => {
            rights(world, id, body)?;
            Ok(done())
        }
        ["hooks"] => {
            let events = if body["events"].is_array() { body["events"].clone() } else { json!(["*"]) };
            let wish = json!({"config": {"url": body["url"], "secret": body["secret"]}, "events": events,
                "active": body["active"], "ping": body["ping"]});
            number(world.add_hook(id, &wish)?)
        }
        ["commits"] => {
            let sha = world.commit(id, body).map_err(|words| Reply::error(422, &words))?;
            Ok(Reply::json(201, &json!({"sha": sha})))
        }
        ["refs"] => {
            let name = format!("refs/heads/{}", needed(body, "branch")?);
            git::point(&repository.dir, &name, body["sha"].as_str()).map_err(|words| wrong(&words))?;
            world.look(id, &by);
            Ok(done())
        }
        ["look"] => {
            world.look(id, &by);
            Ok(done())
        }
        ["checks"] => {
            let (check, suite) = world.check(id, body)?;
            Ok(Reply::json(201, &json!({"id": check, "suite": suite})))
        }
        ["statuses"] => number(world.status(id, body)?),
        ["suites"] => number(world.conclude(id, body)?),
        ["workflow_runs"] => number(world.workflow(id, body)?),
        ["pulls"] => {
            let (head, base, title) = (needed(body, "head")?, needed(body, "base")?, needed(body, "title")?);
            let wanted = Wanted {
                head: &head,
                base: &base,
                title: &title,
                body: body["body"].as_str(),
                by: &by,
                is_draft: body["draft"] == true,
                may_maintainers_push: true,
            };
            let number = world.open(id, &wanted)?;
            shown(world, id, number, 201)
        }
        ["pulls", number, action] => {
            let number = number.parse().map_err(|_| wrong("the number is no number"))?;
            pull(world, id, number, action, &by, body)
        }
        ["rename"] => {
            let name = needed(body, "name")?;
            world.rename(id, None, Some(&name), &by);
            Ok(done())
        }
        ["transfer"] => {
            let owner = needed(body, "owner")?;
            world.rename(id, Some(&owner), None, &by);
            Ok(done())
        }
        ["archive"] => {
            world.archive(id, body["archived"] != false, &by);
            Ok(done())
        }
        ["disable"] => {
            if let Some(repository) = world.repositories.get_mut(&id) {
                repository.is_disabled = body["disabled"] != false;
            }
            Ok(done())
        }
        ["delete"] => {
            world.delete(id, &by);
            Ok(done())
        }
        _ => Err(Reply::not_found()),
    }
}

fn pull(world: &mut World, id: u64, number: u64, action: &str, by: &str, body: &Value) -> Answer {
    let made = |id: u64| Ok(Reply::json(201, &json!({"id": id})));
    match action {
        "edit" => world.edit(id, number, by, body)?,
        "close" => world.close(id, number, by)?,
        "reopen" => world.edit(id, number, by, &json!({"state": "open"}))?,
        "merge" => {
            let sha = world.merge(id, number, by, body["method"] == "squash")?;
            return Ok(Reply::json(200, &json!({"sha": sha})));
        }
        "review" => return made(world.review(id, number, body)?),
        "dismiss" => return made(world.review_changed(id, number, "dismissed", body)?),
        "review_edit" => return made(world.review_changed(id, number, "edited", body)?),
        "comment" => return Ok(Reply::json(201, &world.comment(id, number, body)?)),
        "review_comment" => return made(world.remark(id, number, body)?),
        _ => return Err(Reply::not_found()),
    }
    shown(world, id, number, 200)
}

fn shown(world: &World, id: u64, number: u64, status: u16) -> Answer {
    Ok(Reply::json(status, &world.pull(id, number)?.json(world, id)))
}
