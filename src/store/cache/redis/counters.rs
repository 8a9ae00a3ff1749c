//! Counters: what the scripts are told, and what their answers mean.

use std::sync::atomic::{AtomicUsize, Ordering};

use redis::{FromRedisValue, Script, ScriptInvocation, Value, cmd, from_redis_value};

use super::{
    RedisStore,
    link::{Link, Repeat, fault, strange},
};
use crate::{
    base::RequestId,
    store::cache::{
        Answer, CacheFault, Counted, Counters,
        claim::{Admission, Audit, Claim, Draw, End, LATE_MS, Reading, Room, Spend},
        counter::{Counter, longer},
        meter::{Counts, Meter, SLOTS, Window},
    },
};

/// Reservations that one sweep ends.
const SWEEP: usize = 1_000;
/// How much longer than its window a hash is kept: clocks differ.
const SLACK_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

/// How the scripts know a window: their letter for it, and how long what is spent may count (zero: for ever).
fn window(window: Window) -> (&'static str, u64) {
    match window {
        Window::Sliding(_) => ("s", window.begins(SLOTS + 1).saturating_add(SLACK_MS)),
        Window::Total => ("t", 0),
        Window::Day => ("c", DAY_MS + SLACK_MS),
        Window::Week => ("c", 7 * DAY_MS + SLACK_MS),
        Window::Month => ("c", 31 * DAY_MS + SLACK_MS),
    }
}

async fn invoke<T: FromRedisValue>(link: &Link, invocation: &ScriptInvocation<'_>) -> Result<T, CacheFault> {
    link.run(Repeat::Harmless, |mut connection| async move { invocation.invoke_async(&mut connection).await }).await
}

fn read<T: FromRedisValue>(value: Value) -> Result<T, CacheFault> {
    from_redis_value(value).map_err(|error| fault(error.into()))
}

/// The parts of an array.
fn parts(value: Value) -> Result<Vec<Value>, CacheFault> {
    match value {
        Value::Array(parts) => Ok(parts),
        _ => Err(strange("an array")),
    }
}

/// The hash of a meter, as the server gives it: names and values in turn.
fn counter(window: Window, reserved: i64, hash: Value) -> Result<(Counter, bool), CacheFault> {
    let fields: Vec<(String, String)> = read(hash)?;
    let known = !fields.is_empty();
    let mut places = Vec::with_capacity(fields.len());
    for (name, amount) in fields {
        // What is spent is the sum of the places; the latest place is none.
        if let Ok(place) = name.parse() {
            places.push((place, amount.parse().map_err(|_| strange("an amount"))?));
        }
    }
    Ok((Counter::restore(window, places, reserved), known))
}

impl RedisStore {
    fn meter_key(&self, meter: &Meter) -> String {
        let window = match meter.window {
            Window::Sliding(length) => format!("s{length}"),
            Window::Total => "total".into(),
            Window::Day => "day".into(),
            Window::Week => "week".into(),
            Window::Month => "month".into(),
        };
        let (counts, kind) = (meter.counts as u8, meter.kind as u8);
        self.key("m", format_args!("{counts}:{kind}:{}:{}:{window}", meter.scope, meter.record))
    }

    fn invocation<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut invocation = script.prepare_invoke();
        for name in ["reserved", "held", "leases", "scratch"] {
            invocation.key(self.key("r", name));
        }
        invocation
    }

    fn place(invocation: &mut ScriptInvocation<'_>, meter: &Meter, at_ms: u64) {
        let (kind, ttl) = window(meter.window);
        invocation.arg(kind).arg(meter.window.place(at_ms)).arg(ttl);
    }

    fn admit_invocation(&self, claim: &Claim) -> ScriptInvocation<'_> {
        let mut invocation = self.invocation(&self.scripts.admit);
        let mut held = String::new();
        let keys: Vec<String> = claim.draws.iter().map(|draw| self.meter_key(&draw.meter)).collect();
        for (draw, key) in claim.draws.iter().zip(&keys) {
            if !draw.meter.spends_at_once() && draw.amount > 0 {
                held.push_str(&format!("{key} {}\n", draw.amount));
            }
            invocation.key(key);
        }
        invocation.arg(claim.id.to_string()).arg(claim.now_ms.saturating_add(claim.lease_ms)).arg(held);
        for draw in &claim.draws {
            Self::place(&mut invocation, &draw.meter, claim.now_ms);
            invocation.arg(u8::from(draw.meter.spends_at_once())).arg(draw.amount.max(0)).arg(draw.limit);
        }
        invocation
    }

    async fn admitted(&self, claim: Claim, invocation: ScriptInvocation<'_>) -> Result<Admission, CacheFault> {
        let tries = AtomicUsize::new(0);
        let step = |mut connection| {
            tries.fetch_add(1, Ordering::Relaxed);
            let invocation = &invocation;
            async move { invocation.invoke_async::<Value>(&mut connection).await }
        };
        let mut answer = parts(self.link.run(Repeat::Harmless, step).await?)?.into_iter();
        let (Some(word), list) = (answer.next(), answer.next()) else { return Err(strange("admitted, refused or held")) };
        match (read::<String>(word)?.as_str(), list) {
            ("admitted", Some(list)) => Ok(Admission::Admitted(rooms(&claim, parts(list)?)?)),
            ("refused", Some(list)) => refused(&claim, parts(list)?),
            // The connection broke after the first try was done, and before it was answered: nobody else has this id.
            ("held", _) if tries.into_inner() > 1 => Ok(Admission::Admitted(Vec::new())),
            ("held", _) => Err(CacheFault::Held(claim.id)),
            _ => Err(strange("admitted, refused or held")),
        }
    }

    async fn audited(&self) -> Result<Audit, CacheFault> {
        let invocation = self.invocation(&self.scripts.audit);
        let (reserved, held): (Vec<(String, i64)>, Vec<String>) = invoke(&self.link, &invocation).await?;
        let mut audit = Audit { reservations: held.len() as u64, ..Audit::default() };
        let mut entries: std::collections::HashMap<&str, i128> = std::collections::HashMap::new();
        for line in held.iter().flat_map(|draws| draws.lines()) {
            let Some((key, Ok(amount))) = line.split_once(' ').map(|(key, amount)| (key, amount.parse::<i128>())) else {
                return Err(strange("a meter and an amount"));
            };
            *entries.entry(key).or_default() += amount;
            audit.entries[self.unit(key)?] += amount;
        }
        for (key, amount) in &reserved {
            let amount = i128::from(*amount);
            audit.reserved[self.unit(key)?] += amount;
            audit.differing += u64::from(entries.remove(key.as_str()).unwrap_or_default() != amount);
        }
        audit.differing += entries.len() as u64;
        Ok(audit)
    }

    /// What the meter of a key counts.
    fn unit(&self, key: &str) -> Result<usize, CacheFault> {
        let rest = key.strip_prefix(&self.key("m", "")).and_then(|rest| rest.split(':').next());
        let unit = rest.and_then(|unit| unit.parse().ok());
        unit.filter(|unit| *unit < Counts::ALL.len()).ok_or_else(|| strange("a meter"))
    }
}

/// A reservation that the store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Whose call.
    pub id: RequestId,
    /// The end of its lease, Unix milliseconds; `None` where it has none, and no sweep would ever return it.
    pub until_ms: Option<u64>,
}

impl RedisStore {
    /// Every reservation that the store holds now.
    ///
    /// # Errors
    /// [`CacheFault`].
    pub async fn reservations(&self) -> Result<Vec<Reservation>, CacheFault> {
        let (mut held, mut leases) = (cmd("HKEYS"), cmd("ZRANGE"));
        held.arg(self.key("r", "held"));
        leases.arg(self.key("r", "leases")).arg(0).arg(-1).arg("WITHSCORES");
        let mut both = redis::pipe();
        both.atomic().add_command(held).add_command(leases);
        let both = &both;
        let step = |mut connection| async move { both.query_async::<(Vec<String>, Vec<(String, f64)>)>(&mut connection).await };
        let (held, leases) = self.link.run(Repeat::Harmless, step).await?;
        let leases: std::collections::HashMap<String, f64> = leases.into_iter().collect();
        let read = held.iter().map(|id| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a moment in milliseconds is a whole number")]
            let until_ms = leases.get(id).map(|until| *until as u64);
            RequestId::parse(id).map(|id| Reservation { id, until_ms }).ok_or_else(|| strange("ids of requests"))
        });
        read.collect()
    }
}

/// What is left, of the draws that the script has taken.
fn rooms(claim: &Claim, list: Vec<Value>) -> Result<Vec<Room>, CacheFault> {
    let mut rooms = Vec::with_capacity(list.len());
    for (draw, room) in claim.draws.iter().zip(list) {
        match draw.meter.counts {
            Counts::Requests | Counts::Tokens => {
                // As it stood before, and what this claim drew so far.
                let (spent, reserved, drawn, place): (i64, i64, i64, u64) = read(room)?;
                rooms.push(Room::after(draw, spent.saturating_add(reserved).saturating_add(drawn), place, claim.now_ms));
            }
            Counts::NanoDollars | Counts::Concurrency => {}
        }
    }
    Ok(rooms)
}

fn refused(claim: &Claim, list: Vec<Value>) -> Result<Admission, CacheFault> {
    let mut refusal = None;
    for refused in list {
        let (at, reserved, earlier, hash): (usize, i64, i64, Value) = read(refused)?;
        let Some(draw) = claim.draws.get(at) else { return Err(strange("the number of a draw")) };
        let (mut counter, _) = counter(draw.meter.window, reserved, hash)?;
        counter.advance(draw.meter.window, draw.meter.window.place(claim.now_ms));
        counter.take(&draw.meter, earlier);
        let draw = Draw { amount: draw.amount.max(0), ..*draw };
        let other = counter.refusal(&draw, claim.now_ms);
        refusal = Some(refusal.map_or(other, |one| longer(one, other)));
    }
    refusal.map(Admission::Refused).ok_or_else(|| strange("a draw that was refused"))
}

fn end(ended: bool) -> End {
    if ended { End::Now } else { End::Already }
}

impl Counters for RedisStore {
    fn admit(&self, claim: Claim) -> Counted<'_, Admission> {
        let invocation = self.admit_invocation(&claim);
        Answer::later(self.admitted(claim, invocation))
    }

    fn settle(&self, id: RequestId, now_ms: u64, actuals: &[Spend]) -> Counted<'_, End> {
        let mut invocation = self.invocation(&self.scripts.settle);
        invocation.arg(id.to_string());
        for spend in actuals.iter().filter(|spend| spend.meter.settles()) {
            invocation.key(self.meter_key(&spend.meter));
            Self::place(&mut invocation, &spend.meter, now_ms);
            invocation.arg(spend.amount.max(0));
        }
        Answer::later(async move { invoke(&self.link, &invocation).await.map(end) })
    }

    fn release(&self, id: RequestId) -> Counted<'_, End> {
        self.settle(id, 0, &[])
    }

    fn extend(&self, ids: &[RequestId], until_ms: u64) -> Counted<'_, ()> {
        if ids.is_empty() {
            return Answer::now(Ok(()));
        }
        let mut command = cmd("ZADD");
        command.arg(self.key("r", "leases")).arg("XX").arg("GT");
        for id in ids {
            command.arg(until_ms).arg(id.to_string());
        }
        Answer::later(async move {
            let command = &command;
            let step = |mut connection| async move { command.query_async::<i64>(&mut connection).await };
            self.link.run(Repeat::Harmless, step).await.map(drop)
        })
    }

    fn sweep(&self, now_ms: u64) -> Counted<'_, Vec<RequestId>> {
        let mut invocation = self.invocation(&self.scripts.sweep);
        invocation.arg(now_ms).arg(SWEEP).arg(LATE_MS);
        Answer::later(async move {
            let ids: Vec<String> = invoke(&self.link, &invocation).await?;
            ids.iter().map(|id| RequestId::parse(id).ok_or_else(|| strange("ids of requests"))).collect()
        })
    }

    fn seed(&self, meter: Meter, at_ms: u64, spent: i64) -> Counted<'_, ()> {
        let mut invocation = self.invocation(&self.scripts.seed);
        invocation.key(self.meter_key(&meter));
        Self::place(&mut invocation, &meter, at_ms);
        invocation.arg(spent.max(0));
        Answer::later(async move { invoke::<i64>(&self.link, &invocation).await.map(drop) })
    }

    fn read(&self, meters: &[Meter], now_ms: u64) -> Counted<'_, Vec<Reading>> {
        let mut invocation = self.invocation(&self.scripts.read);
        for meter in meters {
            invocation.key(self.meter_key(meter));
        }
        let meters = meters.to_vec();
        Answer::later(async move {
            let list: Vec<(i64, Value)> = invoke(&self.link, &invocation).await?;
            let readings = meters.iter().zip(list).map(|(meter, (reserved, hash))| {
                let (mut counter, known) = counter(meter.window, reserved, hash)?;
                counter.advance(meter.window, meter.window.place(now_ms));
                Ok(if known || reserved != 0 { Reading::of(&counter, *meter, now_ms) } else { Reading::default() })
            });
            readings.collect()
        })
    }

    fn forget(&self, meter: Meter) -> Counted<'_, ()> {
        let mut command = cmd("DEL");
        command.arg(self.meter_key(&meter));
        Answer::later(async move {
            let command = &command;
            let step = |mut connection| async move { command.query_async::<i64>(&mut connection).await };
            self.link.run(Repeat::Harmless, step).await.map(drop)
        })
    }

    fn audit(&self) -> Counted<'_, Audit> {
        Answer::later(self.audited())
    }
}
