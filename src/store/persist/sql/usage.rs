//! A usage row as columns, and back.

use std::collections::BTreeMap;

use sea_orm::{DbErr, QueryResult, Value};
use serde::{Deserialize, Serialize};

use super::schema::Migration;
use crate::{
    base::{Bucket, Counts, CredentialId, KeyId, Modality, Nanos, OrganizationId, ProviderId, RequestId, TeamId, Usage, UserId},
    protocol::{Operation, OperationKind},
    store::record::{Begun, Billed, Ended, Phases, Source, UsageRow},
};

/// Where a call's time went: its [`Phases`] in postcard. They are told, not proved: no seal is made of them.
pub(super) const STEP: Migration = Migration { version: 8, statements: &["ALTER TABLE usages {add} phases {bytes}"] };

/// The columns of `usages`, in the order of [`bind`] and with the seal last.
pub(super) const COLUMNS: [&str; 28] = [
    "request_id",
    "at",
    "user_id",
    "user_key_id",
    "team_id",
    "organization_id",
    "provider_id",
    "credential_id",
    "operation",
    "kind",
    "model",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_30m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "metrics_json",
    "source",
    "ended",
    "status",
    "first_byte_us",
    "latency_us",
    "cost_nanos",
    "price_version",
    "phases",
    "seal",
];

/// The columns of the buckets, in the order of [`Bucket::ALL`].
pub(super) const BUCKET_COLUMNS: [&str; 7] = [
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_30m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
];

/// A column whose value often stays the same from row to row.
#[derive(Clone, Copy)]
pub(super) enum Word {
    Operation,
    Kind,
    Model,
    Source,
    Ended,
    Price,
}

/// Takes the values of rows, column by column.
pub(super) trait Binder {
    fn id(&mut self, id: RequestId);
    /// Where the caller belongs to.
    fn member(&mut self, id: Option<i64>);
    /// A figure of [`Same`].
    fn same(&mut self, figure: Option<i64>);
    fn word(&mut self, word: Word, text: &str);
    fn bucket(&mut self, bucket: Bucket, tokens: i64);
    fn metrics(&mut self, json: Option<&str>);
    fn int(&mut self, figure: i64);
    fn optional_int(&mut self, figure: Option<i64>);
    fn phases(&mut self, phases: Option<&Phases>);
}

/// Binds one row, in the order of [`COLUMNS`], without its seal.
pub(super) fn bind(to: &mut impl Binder, row: &UsageRow) {
    let UsageRow { begun, usage, source, ended, status, first_byte_us, latency_us, phases, billed, losses } = row;
    to.id(begun.request_id);
    to.int(signed(begun.at));
    to.int(begun.user_id.0);
    to.int(begun.key_id.0);
    to.member(begun.team_id.map(|id| id.0));
    to.member(begun.organization_id.map(|id| id.0));
    to.same(Some(begun.provider_id.0));
    to.same(begun.credential_id.map(|id| id.0));
    to.word(Word::Operation, begun.operation.id());
    to.word(Word::Kind, begun.kind.id());
    to.word(Word::Model, &begun.model);
    for bucket in Bucket::ALL {
        to.bucket(bucket, signed(usage.bucket(bucket)));
    }
    to.metrics(metrics(usage, losses).as_deref());
    to.word(Word::Source, source_id(*source));
    to.word(Word::Ended, ended_id(*ended));
    to.same(Some(i64::from(*status)));
    to.optional_int(first_byte_us.map(signed));
    to.int(signed(*latency_us));
    to.optional_int(billed.as_ref().map(|billed| billed.cost.get()));
    to.word(Word::Price, billed.as_ref().map_or("", |billed| &billed.price));
    to.phases(phases.as_ref());
}

/// The most bytes of a number of [`Phases`] in postcard.
const PHASE_BYTES: usize = 5;

/// Phases as their column holds them.
pub(super) fn packed(phases: Option<&Phases>) -> Option<Vec<u8>> {
    phases.and_then(|phases| postcard::to_extend(phases, Vec::with_capacity(Phases::COUNT * PHASE_BYTES)).ok())
}

/// Where rows that are alike went: bound once for many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Same<'a> {
    provider: i64,
    credential: Option<i64>,
    model: &'a str,
    status: u16,
    price: &'a str,
}

/// The columns of [`Same`].
const SAME: [&str; 5] = ["provider_id", "credential_id", "model", "status", "price_version"];

impl<'a> Same<'a> {
    pub(super) fn of(row: &'a UsageRow) -> Self {
        Self {
            provider: row.begun.provider_id.0,
            credential: row.begun.credential_id.map(|id| id.0),
            model: &row.begun.model,
            status: row.status,
            price: row.billed.as_ref().map_or("", |billed| &billed.price),
        }
    }
}

/// What many rows have in common, in so few forms that a statement's text can say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alike {
    operation: Operation,
    kind: OperationKind,
    source: Source,
    ended: Ended,
    /// Nothing was written to a cache, and the buckets say everything.
    is_plain: bool,
    /// The caller belongs to no team and no organization.
    is_alone: bool,
}

impl Alike {
    pub(super) fn of(row: &UsageRow) -> Self {
        let is_plain = CACHE_WRITES.iter().all(|bucket| row.usage.bucket(*bucket) == 0) && fits_buckets(&row.usage, &row.losses);
        let is_alone = row.begun.team_id.is_none() && row.begun.organization_id.is_none();
        Self { operation: row.begun.operation, kind: row.begun.kind, source: row.source, ended: row.ended, is_plain, is_alone }
    }

    /// Whether such rows have their own number of a bucket.
    pub(super) fn binds_bucket(self, bucket: Bucket) -> bool {
        !(self.is_plain && CACHE_WRITES.contains(&bucket))
    }

    /// Whether such rows have a team or an organization of their own.
    pub(super) fn binds_members(self) -> bool {
        !self.is_alone
    }

    /// Whether such rows have metrics of their own.
    pub(super) fn binds_metrics(self) -> bool {
        !self.is_plain
    }

    /// Whether a word is one of [`Same`], which rows that are alike bind once.
    pub(super) fn binds_word(word: Word) -> bool {
        matches!(word, Word::Model | Word::Price)
    }

    /// A row's values as they stand in a statement for such rows, in the order of [`COLUMNS`]: `?` for what is each row's own, and a
    /// name for what is in [`Same`].
    pub(super) fn values(self) -> [String; COLUMNS.len()] {
        COLUMNS.map(|column| self.value(column))
    }

    fn value(self, column: &str) -> String {
        match column {
            "operation" => format!("'{}'", self.operation.id()),
            "kind" => format!("'{}'", self.kind.id()),
            "source" => format!("'{}'", source_id(self.source)),
            "ended" => format!("'{}'", ended_id(self.ended)),
            "cache_write_5m_tokens" | "cache_write_30m_tokens" | "cache_write_1h_tokens" if self.is_plain => "0".to_owned(),
            "metrics_json" if self.is_plain => "NULL".to_owned(),
            "team_id" | "organization_id" if self.is_alone => "NULL".to_owned(),
            column if SAME.contains(&column) => format!("${column}"),
            _ => "?".to_owned(),
        }
    }
}

/// Few calls have any.
const CACHE_WRITES: [Bucket; 3] = [Bucket::CacheWrite5m, Bucket::CacheWrite30m, Bucket::CacheWrite1h];

/// Reads one row.
pub(super) fn read(row: &QueryResult) -> Result<UsageRow, DbErr> {
    let begun = Begun {
        request_id: request_id(row)?,
        at: uint(row, "at")?,
        user_id: UserId(row.try_get("", "user_id")?),
        key_id: KeyId(row.try_get("", "user_key_id")?),
        team_id: row.try_get::<Option<i64>>("", "team_id")?.map(TeamId),
        organization_id: row.try_get::<Option<i64>>("", "organization_id")?.map(OrganizationId),
        provider_id: ProviderId(row.try_get("", "provider_id")?),
        credential_id: row.try_get::<Option<i64>>("", "credential_id")?.map(CredentialId),
        operation: word(row, "operation", Operation::parse)?,
        kind: word(row, "kind", OperationKind::parse)?,
        model: row.try_get::<String>("", "model")?.into(),
    };
    let (usage, losses) = read_usage(row)?;
    Ok(UsageRow {
        begun,
        usage,
        source: word(row, "source", parse_source)?,
        ended: word(row, "ended", parse_ended)?,
        status: u16::try_from(uint(row, "status")?).unwrap_or(0),
        first_byte_us: row.try_get::<Option<i64>>("", "first_byte_us")?.and_then(|us| u64::try_from(us).ok()),
        latency_us: uint(row, "latency_us")?,
        billed: match row.try_get::<Option<i64>>("", "cost_nanos")? {
            Some(cost) => Some(Billed { cost: Nanos::new(cost), price: row.try_get::<String>("", "price_version")?.into() }),
            None => None,
        },
        losses,
        // What a later program wrote in another way is nothing to fail for.
        phases: row.try_get::<Option<Vec<u8>>>("", "phases")?.and_then(|packed| postcard::from_bytes(&packed).ok()),
    })
}

/// An unsigned figure as the engines' widest integer, which is signed.
fn signed(figure: u64) -> i64 {
    i64::try_from(figure).unwrap_or(i64::MAX)
}

/// An unsigned figure to bind.
pub(super) fn int(figure: u64) -> Value {
    signed(figure).into()
}

/// An unsigned figure read back.
pub(super) fn uint(row: &QueryResult, column: &str) -> Result<u64, DbErr> {
    row.try_get::<i64>("", column).map(|figure| u64::try_from(figure).unwrap_or(0))
}

/// The row's request id.
pub(super) fn request_id(row: &QueryResult) -> Result<RequestId, DbErr> {
    word(row, "request_id", RequestId::parse)
}

fn word<T>(row: &QueryResult, column: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, DbErr> {
    let word: String = row.try_get("", column)?;
    parse(&word).ok_or_else(|| DbErr::Type(format!("column {column} has an unknown value {word:?}")))
}

/// What the columns cannot say, by name, so that a later order of the enums changes nothing.
#[derive(Default, Serialize, Deserialize)]
struct Metrics {
    #[serde(default)]
    tokens: BTreeMap<Modality, BTreeMap<Bucket, u64>>,
    #[serde(default)]
    counts: Counts,
    /// What a conversion could not carry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    losses: Vec<String>,
}

/// Whether the buckets' columns say everything.
fn fits_buckets(usage: &Usage, losses: &[String]) -> bool {
    let wide = Bucket::ALL.iter().any(|bucket| i64::try_from(usage.get(*bucket, Modality::Text)).is_err());
    !usage.is_mixed() && usage.counts == Counts::default() && !wide && losses.is_empty()
}

fn metrics(usage: &Usage, losses: &[String]) -> Option<String> {
    if fits_buckets(usage, losses) {
        return None;
    }
    let mut metrics = Metrics { counts: usage.counts, losses: losses.to_vec(), ..Metrics::default() };
    for modality in Modality::ALL {
        for bucket in Bucket::ALL {
            let tokens = usage.get(bucket, modality);
            if tokens > 0 {
                metrics.tokens.entry(modality).or_default().insert(bucket, tokens);
            }
        }
    }
    serde_json::to_string(&metrics).ok()
}

fn read_usage(row: &QueryResult) -> Result<(Usage, Vec<String>), DbErr> {
    let mut usage = Usage::default();
    let mut losses = Vec::new();
    match row.try_get::<Option<String>>("", "metrics_json")? {
        Some(json) => {
            let metrics: Metrics = serde_json::from_str(&json).map_err(|error| DbErr::Json(error.to_string()))?;
            for (modality, buckets) in metrics.tokens {
                for (bucket, tokens) in buckets {
                    usage.set(bucket, modality, tokens);
                }
            }
            usage.counts = metrics.counts;
            losses = metrics.losses;
        }
        None => {
            for (bucket, column) in Bucket::ALL.into_iter().zip(BUCKET_COLUMNS) {
                usage.set(bucket, Modality::Text, uint(row, column)?);
            }
        }
    }
    Ok((usage, losses))
}

fn source_id(source: Source) -> &'static str {
    match source {
        Source::Upstream => "upstream",
        Source::Counted => "counted",
        Source::Estimated => "estimated",
        Source::None => "none",
    }
}

fn parse_source(id: &str) -> Option<Source> {
    [Source::Upstream, Source::Counted, Source::Estimated, Source::None].into_iter().find(|source| source_id(*source) == id)
}

fn ended_id(ended: Ended) -> &'static str {
    match ended {
        Ended::Complete => "complete",
        Ended::Interrupted => "interrupted",
        Ended::Failed => "failed",
        Ended::Rescued => "rescued",
    }
}

fn parse_ended(id: &str) -> Option<Ended> {
    [Ended::Complete, Ended::Interrupted, Ended::Failed, Ended::Rescued].into_iter().find(|ended| ended_id(*ended) == id)
}
