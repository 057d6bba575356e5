//! What agents used, and whose allowance is used up: the rows, and the sums over them.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::SqliteStore;
use super::error::Trouble;
use super::values::{from_word, int, number};
use crate::domain::agent::budget::{Allowance, Spent};
use crate::domain::agent::quota::{Pool, PoolRow};
use crate::domain::agent::role::Role;
use crate::domain::agent::usage::{MoneySource, Tokens, Usage};
use crate::domain::id::{AttemptNo, EventSeq, RunId};
use crate::domain::projection::{PoolNews, UsageRow};
use crate::domain::time::Timestamp;
use crate::ports::ledger::{Ledger, UsagePart, UsageQuery};
use crate::ports::store::StoreError;

impl Ledger for SqliteStore {
    fn spent(&self, query: &UsageQuery) -> Result<Spent, StoreError> {
        self.read(|db| spent(db, query))
    }

    fn usage_rows(&self, query: &UsageQuery, limit: usize) -> Result<Vec<UsageRow>, StoreError> {
        self.read(|db| usage_rows(db, query, limit))
    }

    fn pool(&self, pool: &Pool) -> Result<Option<PoolRow>, StoreError> {
        self.read(|db| Ok(pools(db, "pool = ?1 AND until IS NOT NULL", &[pool.as_str()])?.pop()))
    }

    fn pools(&self) -> Result<Vec<PoolRow>, StoreError> {
        self.read(|db| pools(db, "until IS NOT NULL", &[]))
    }
}

/// The columns that [`usage_row`] reads.
const COLUMNS: &str = "seq, run_id, no, repository, started_at, ended_at, agent, version, model, role, class, reserved_tokens, \
     reserved_micros, reserved_secs, reserved_turns, settled, input, cached, cache_write, output, reasoning, micros, \
     source, turns, duration_ms";

/// The condition of a query and its values. Attempts of a run are found through its events, others through an index; the signs keep
/// SQLite from another way, such as along the whole table up to `seq`.
fn condition(query: &UsageQuery) -> (String, Vec<Value>) {
    let mut values = Vec::new();
    let mut sql = "TRUE".to_owned();
    let mut with = |test: &str, value: Value| {
        values.push(value);
        sql.push_str(" AND ");
        sql.push_str(test);
    };
    let free = if query.run.is_some() { "+" } else { "" };
    if let Some(run) = &query.run {
        with("seq IN (SELECT seq FROM events WHERE run_id = ?)", Value::Text(run.as_str().to_owned()));
    }
    if let Some(repository) = &query.repository {
        with(&format!("{free}repository = ?"), Value::Text(repository.clone()));
    }
    if let Some(since) = query.since {
        with(&format!("{free}started_at >= ?"), Value::Integer(since.0));
    }
    if let Some(before) = query.before {
        with("+seq < ?", Value::Integer(int(before.0)));
    }
    if query.part == UsagePart::Ended {
        sql.push_str(" AND ended_at IS NOT NULL");
    }
    (sql, values)
}

fn spent(db: &Connection, query: &UsageQuery) -> Result<Spent, Trouble> {
    let (condition, values) = condition(query);
    let sum = |used: &str, reserved: &str| {
        format!("coalesce(sum(CASE WHEN settled THEN {used} ELSE coalesce(reserved_{reserved}, 0) END), 0)")
    };
    let unknown = "coalesce(max(settled AND source = 'unknown' AND input + output > 0), 0)";
    let sql = format!(
        "SELECT {}, {}, {unknown}, {}, {} FROM usage WHERE {condition}",
        sum("input + output", "tokens"),
        sum("micros", "micros"),
        sum("duration_ms / 1000", "secs"),
        sum("turns", "turns"),
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = statement.query(params_from_iter(values))?;
    let Some(row) = found.next()? else { return Ok(Spent::default()) };
    Ok(Spent {
        tokens: number(row.get(0)?)?,
        micros: number(row.get(1)?)?,
        has_unknown_cost: row.get(2)?,
        secs: number(row.get(3)?)?,
        turns: u32::try_from(number(row.get(4)?)?).unwrap_or(u32::MAX),
    })
}

fn usage_rows(db: &Connection, query: &UsageQuery, limit: usize) -> Result<Vec<UsageRow>, Trouble> {
    let (condition, mut values) = condition(query);
    values.push(Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
    // As in the condition: a few attempts are not looked for along the whole table.
    let few = query.run.is_some() || query.since.is_some() || query.repository.is_some();
    let order = if few { "+seq" } else { "seq" };
    let sql = format!("SELECT {COLUMNS} FROM usage WHERE {condition} ORDER BY {order} DESC LIMIT ?");
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = statement.query(params_from_iter(values))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(usage_row(row)?);
    }
    Ok(rows)
}

/// What the agents of a run used, oldest first.
pub(super) fn usage_of(db: &Connection, run: &RunId) -> Result<Vec<UsageRow>, Trouble> {
    let query = UsageQuery { run: Some(run.clone()), ..UsageQuery::default() };
    let mut rows = usage_rows(db, &query, usize::MAX)?;
    rows.reverse();
    Ok(rows)
}

/// The row of the attempt that an event began.
pub(super) fn usage_at(db: &Connection, seq: EventSeq) -> Result<Option<UsageRow>, Trouble> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM usage WHERE seq = ?1"))?;
    let mut found = statement.query([int(seq.0)])?;
    found.next()?.map(usage_row).transpose()
}

fn usage_row(row: &Row<'_>) -> Result<UsageRow, Trouble> {
    let count = |index: usize| number(row.get(index)?);
    let maybe = |index: usize| row.get::<_, Option<i64>>(index)?.map(number).transpose();
    let role: String = row.get(9)?;
    let class: Option<String> = row.get(10)?;
    let source: String = row.get(22)?;
    let usage = Usage {
        tokens: Tokens {
            input: count(16)?,
            cached: count(17)?,
            cache_write: count(18)?,
            output: count(19)?,
            reasoning: count(20)?,
        },
        micros: count(21)?,
        source: from_word(&source)?,
        turns: row.get(23)?,
    };
    let is_settled: bool = row.get(15)?;
    Ok(UsageRow {
        seq: EventSeq(count(0)?),
        run: RunId::new(row.get::<_, String>(1)?)?,
        no: AttemptNo(row.get(2)?),
        repository: row.get(3)?,
        started_at: Timestamp(row.get(4)?),
        ended_at: row.get::<_, Option<i64>>(5)?.map(Timestamp),
        agent: row.get(6)?,
        version: row.get(7)?,
        model: row.get(8)?,
        role: Role::of(&role).ok_or_else(|| Trouble::Row(format!("unknown role `{role}`")))?,
        class: class.as_deref().map(from_word).transpose()?,
        reserved: Allowance { tokens: maybe(11)?, micros: maybe(12)?, secs: maybe(13)?, turns: row.get(14)? },
        usage: is_settled.then_some(usage),
        duration_ms: count(24)?,
    })
}

/// Writes a row, in the place of an older one of the same attempt.
pub(super) fn put_usage(db: &Connection, row: &UsageRow) -> Result<(), Trouble> {
    let usage = row.usage.unwrap_or_default();
    let sql = format!(
        "INSERT INTO usage ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
             ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25)
         ON CONFLICT (seq) DO UPDATE SET ended_at = excluded.ended_at, agent = excluded.agent, version = excluded.version,
             model = excluded.model,
             role = excluded.role, class = excluded.class, settled = excluded.settled, input = excluded.input,
             cached = excluded.cached, cache_write = excluded.cache_write, output = excluded.output,
             reasoning = excluded.reasoning, micros = excluded.micros, source = excluded.source,
             turns = excluded.turns, duration_ms = excluded.duration_ms"
    );
    db.prepare_cached(&sql)?.execute(params![
        int(row.seq.0),
        row.run.as_str(),
        row.no.0,
        row.repository,
        row.started_at.0,
        row.ended_at.map(|at| at.0),
        row.agent,
        row.version,
        row.model,
        row.role.name(),
        row.class.map(|class| class.name()),
        row.reserved.tokens.map(int),
        row.reserved.micros.map(int),
        row.reserved.secs.map(int),
        row.reserved.turns,
        row.usage.is_some(),
        int(usage.tokens.input),
        int(usage.tokens.cached),
        int(usage.tokens.cache_write),
        int(usage.tokens.output),
        int(usage.tokens.reasoning),
        int(usage.micros),
        source_name(usage.source),
        usage.turns,
        int(row.duration_ms),
    ])?;
    Ok(())
}

fn source_name(source: MoneySource) -> &'static str {
    match source {
        MoneySource::Table => "table",
        MoneySource::Reported => "reported",
        MoneySource::Unknown => "unknown",
    }
}

fn pools(db: &Connection, condition: &str, values: &[&str]) -> Result<Vec<PoolRow>, Trouble> {
    let sql = format!("SELECT pool, until, run_id FROM pools WHERE {condition} ORDER BY pool");
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = statement.query(params_from_iter(values))?;
    let mut pools = Vec::new();
    while let Some(row) = found.next()? {
        pools.push(PoolRow {
            pool: Pool::new(row.get_ref(0)?.as_str().unwrap_or_default()),
            until: Timestamp(row.get(1)?),
            run: RunId::new(row.get::<_, String>(2)?)?,
        });
    }
    Ok(pools)
}

/// A row of `pools`: when it is there again (`None` once it is), the run that said so, the event.
pub(super) type PoolWord = (Option<Timestamp>, RunId, EventSeq);

/// What a run says of a pool, as its row holds it.
pub(super) fn pool_word(news: &PoolNews, run: &RunId, seq: EventSeq) -> (Pool, PoolWord) {
    match news {
        PoolNews::Exhausted(row) => (row.pool.clone(), (Some(row.until), run.clone(), seq)),
        PoolNews::Lifted(pool) => (pool.clone(), (None, run.clone(), seq)),
    }
}

/// Takes a word about a pool in, unless a newer one is there.
pub(super) fn put_pool(db: &Connection, news: &PoolNews, run: &RunId, seq: EventSeq) -> Result<(), Trouble> {
    let (pool, (until, run, seq)) = pool_word(news, run, seq);
    let sql = "INSERT INTO pools (pool, until, run_id, seq) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (pool) DO UPDATE SET until = excluded.until, run_id = excluded.run_id, seq = excluded.seq
               WHERE excluded.seq > pools.seq";
    let values = params![pool.as_str(), until.map(|until| until.0), run.as_str(), int(seq.0)];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Every row of `pools`, those that are there again as well.
pub(super) fn pool_words(db: &Connection) -> Result<Vec<(Pool, PoolWord)>, Trouble> {
    let mut statement = db.prepare_cached("SELECT pool, until, run_id, seq FROM pools ORDER BY pool")?;
    let mut found = statement.query([])?;
    let mut words = Vec::new();
    while let Some(row) = found.next()? {
        let pool = Pool::new(row.get_ref(0)?.as_str().unwrap_or_default());
        let until: Option<i64> = row.get(1)?;
        let run = RunId::new(row.get::<_, String>(2)?)?;
        words.push((pool, (until.map(Timestamp), run, EventSeq(number(row.get(3)?)?))));
    }
    Ok(words)
}
