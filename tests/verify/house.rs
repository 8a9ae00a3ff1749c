//! A ledger with everything around it, under a load with faults: a database that fails now and then, kills in the middle,
//! journals that are read again from the front.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gproxy::{
    app::verify,
    base::{Bucket, Counts as Pieces, CredentialId, KeyId, Modality, OrganizationId, ProviderId, RequestId, Secret, TeamId, Usage, UserId},
    billing::{Catalogue, Lookup, PriceBook, verify::Report},
    protocol::{Operation, OperationKind},
    runtime::{
        BoxFuture, Clock, Instant,
        native::{SystemClock, Tasks},
    },
    snapshot::prices,
    store::{
        cache::{Admission, Claim, Counters as _, Counts, Draw, Meter, Spend, redis::RedisStore},
        persist::{
            Journal as _, Ledger, Records as _, RecordsExt as _, SealKey, StoreFault, Stored, UsageFilter, UsageSummary,
            journal::{FileJournal, JournalConfig},
            sql::SqlStore,
            writer::{Writer, WriterConfig},
        },
        record::{
            Admission as Kind, Begun, Billed, ConfigRows, DownstreamRow, Ended, Entry, NewKey, NewOrganization, NewPermission,
            NewPriceRule, NewProvider, NewQuota, NewTeam, NewUser, PriceMatch, ScopeKind, Source, UpstreamRow, UsageRow,
        },
    },
};

/// Some minutes before midnight, by UTC, so that a load crosses hours and days.
pub(crate) const START: u64 = 1_790_034_600_000;
/// From one call to the next.
const STEP_MS: u64 = 211_000;
const LEASE_MS: u64 = 600_000;

/// A clock that never waits.
#[derive(Debug)]
struct Unwaiting;

impl Clock for Unwaiting {
    fn unix_ms(&self) -> u64 {
        START
    }

    fn now(&self) -> Instant {
        Instant(0)
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async { tokio::task::yield_now().await })
    }
}

/// A ledger whose every third write is lost on the way, before or after it was done.
#[derive(Debug)]
struct Shaky {
    store: Arc<SqlStore>,
    writes: AtomicU64,
}

impl Ledger for Shaky {
    fn write_usages(&self, rows: Vec<Arc<UsageRow>>) -> Stored<'_, ()> {
        let number = self.writes.fetch_add(1, Ordering::Relaxed);
        let lost = || Err(StoreFault::Failed("the connection broke".into()));
        Box::pin(async move {
            match number % 6 {
                1 => lost(),
                4 => {
                    self.store.write_usages(rows).await?;
                    lost()
                }
                _ => self.store.write_usages(rows).await,
            }
        })
    }

    fn write_wire(&self, downstream: Vec<DownstreamRow>, upstream: Vec<UpstreamRow>) -> Stored<'_, ()> {
        self.store.write_wire(downstream, upstream)
    }

    fn usages(&self, filter: UsageFilter, before: Option<RequestId>, limit: u64) -> Stored<'_, Vec<UsageRow>> {
        self.store.usages(filter, before, limit)
    }

    fn usage_summary(&self, filter: UsageFilter) -> Stored<'_, UsageSummary> {
        self.store.usage_summary(filter)
    }

    fn spent(&self, filter: UsageFilter, slot_ms: u64) -> Stored<'_, Vec<(u64, i64)>> {
        self.store.spent(filter, slot_ms)
    }

    fn downstream(&self, before: Option<RequestId>, limit: u64) -> Stored<'_, Vec<DownstreamRow>> {
        self.store.downstream(before, limit)
    }

    fn upstream(&self, request_id: RequestId) -> Stored<'_, Vec<UpstreamRow>> {
        self.store.upstream(request_id)
    }

    fn ping(&self) -> Stored<'_, ()> {
        self.store.ping()
    }
}

/// Who calls.
struct Caller {
    user: UserId,
    key: KeyId,
    team: Option<TeamId>,
    organization: Option<OrganizationId>,
}

/// The ledger and what is around it.
pub(crate) struct House {
    pub(crate) store: Arc<SqlStore>,
    pub(crate) shared: RedisStore,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) now_ms: u64,
    callers: Vec<Caller>,
    provider: ProviderId,
    rows: ConfigRows,
    prices: PriceBook,
    redis: (String, String),
    dsn: String,
}

impl House {
    pub(crate) async fn build(dsn: &str) -> Self {
        let store = Arc::new(SqlStore::open_sealed(dsn, SealKey::new(&Secret::new([42; 32]))).await.unwrap());
        let provider = store.save(None, NewProvider::of("openai", "openai")).await.unwrap().id;
        let callers = people(&store).await;
        let rates_json = concat!(
            r#"{"input":"1.5","output":"7.25","cache_read":"0.15","search":"0.01","#,
            r#""bands":[{"tier":"flex","times":"0.5"},{"tier":"priority","input":"3"}]}"#
        );
        let rates_json = rates_json.to_owned();
        let rule = NewPriceRule { provider_id: None, match_kind: PriceMatch::Glob, pattern: "house-*".into(), rates_json, enabled: true };
        store.save(None, rule).await.unwrap();
        let rows = store.load().await.unwrap();
        let (prices, faults) = PriceBook::build(Catalogue::shipped(), &prices::rules(&rows));
        assert!(faults.is_empty());
        let redis = (redis_address(), prefix());
        let shared = RedisStore::new(&redis.0, &redis.1, Arc::new(SystemClock::new()), Arc::new(Tasks::default())).unwrap();
        Self {
            store,
            shared,
            folder: tempfile::tempdir().unwrap(),
            now_ms: START,
            callers,
            provider,
            rows,
            prices,
            redis,
            dsn: dsn.to_owned(),
        }
    }

    /// Lets calls come and go, over several lives of the gateway.
    pub(crate) async fn load(&mut self, calls: u64) {
        const LIVES: u64 = 5;
        for life in 0..LIVES {
            let replay = FileJournal::open(JournalConfig { segment_bytes: 16 << 10, ..JournalConfig::beside(self.folder.path()) }).unwrap();
            let journal = Arc::clone(&replay.journal);
            let ledger = Arc::new(Shaky { store: Arc::clone(&self.store), writes: AtomicU64::new(0) });
            let writer = Writer::new(replay, ledger, Arc::new(Unwaiting), WriterConfig { max_batch: 40, ..WriterConfig::default() });
            for number in life * calls / LIVES..(life + 1) * calls / LIVES {
                self.call(number, &journal).await;
            }
            // All lives but the last are killed; some before their writer wrote anything.
            if life % 2 == 0 || life == LIVES - 1 {
                writer.drain().await;
            }
            drop((writer, journal));
            if life == 2 {
                std::fs::remove_file(self.folder.path().join("journal/checkpoint")).unwrap();
            }
        }
        // The last life's open calls are settled by one more, which ends all of its own.
        let replay = FileJournal::open(JournalConfig::beside(self.folder.path())).unwrap();
        let journal = Arc::clone(&replay.journal);
        let writer = Writer::new(replay, Arc::clone(&self.store) as _, Arc::new(Unwaiting), WriterConfig::default());
        for number in (calls..calls + 20).filter(|number| number % 23 != 7) {
            self.call(number, &journal).await;
        }
        writer.drain().await;
        self.now_ms += LEASE_MS + 1;
        while !self.shared.sweep(self.now_ms).await.unwrap().is_empty() {}
    }

    async fn call(&mut self, number: u64, journal: &FileJournal) {
        self.now_ms = START + number * STEP_MS;
        let row = self.row(number);
        let Begun { request_id: id, .. } = row.begun;
        let draws: Vec<Draw> = self.meters(&row.begun).map(|meter| Draw { meter, limit: i64::MAX / 4, amount: 90_000_000 }).collect();
        let claim = Claim { id, now_ms: self.now_ms, lease_ms: LEASE_MS, draws };
        assert!(matches!(self.shared.admit(claim).await.unwrap(), Admission::Admitted(_)));
        journal.append(&Entry::Begun(row.begun.clone())).unwrap();
        match number % 23 {
            // Nobody ends it: the process is killed meanwhile.
            7 => return,
            // It fails at the provider.
            11 => _ = self.shared.release(id).await.unwrap(),
            _ => {
                let amount = row.billed.as_ref().map_or(0, |billed| billed.cost.get());
                let spends: Vec<Spend> = self.meters(&row.begun).map(|meter| Spend { meter, amount }).collect();
                self.shared.settle(id, row.begun.at + row.latency_us / 1000, &spends).await.unwrap();
            }
        }
        journal.append(&Entry::Ended(Arc::new(row))).unwrap();
    }

    /// The counters that a call is counted on.
    fn meters(&self, begun: &Begun) -> impl Iterator<Item = Meter> {
        let (user, organization) = (begun.user_id.0, begun.organization_id.map(|id| id.0));
        let of = move |kind, id| match kind {
            ScopeKind::User => id == user,
            ScopeKind::Organization => Some(id) == organization,
            ScopeKind::Key | ScopeKind::Team => false,
        };
        let quotas = self.rows.quotas.iter().filter(move |quota| of(quota.scope, quota.scope_id));
        quotas.flat_map(|quota| {
            let meter = move |window| Meter {
                kind: quota.scope.into(),
                scope: quota.scope_id,
                record: quota.id.0,
                counts: Counts::NanoDollars,
                window,
            };
            quota.windows().into_iter().filter(|(_, limit)| limit.is_some()).map(move |(window, _)| meter(window))
        })
    }

    /// One of the counters that a tampering may change.
    pub(crate) fn some_meter(&self) -> Meter {
        let begun = self.row(0).begun;
        self.meters(&begun).next().unwrap()
    }

    /// What a call leaves behind, by its number.
    pub(crate) fn row(&self, number: u64) -> UsageRow {
        let at = START + number * STEP_MS;
        let caller = &self.callers[usize::try_from(number).unwrap() % self.callers.len()];
        let model = ["house-large", "gpt-4o-mini", "nobody-prices-this", "house-small"][usize::try_from(number / 3).unwrap() % 4];
        let mut usage = Usage::default();
        let fails = number % 23 == 11;
        if !fails {
            usage.set(Bucket::Input, Modality::Text, 100 + number * 7 % 900);
            usage.set(Bucket::Output, Modality::Text, 1 + number % 77);
            usage.set(Bucket::CacheRead, Modality::Text, number % 3 * 50);
            usage.counts = Pieces { searches: u64::from(number.is_multiple_of(10)), ..Pieces::default() };
        }
        let vendor = self.prices.vendor("openai", "openai");
        let billed = match self.prices.find(self.provider, vendor, model) {
            Lookup::Priced(entry) => {
                let tier = [None, Some("default"), Some("flex"), Some("PRIORITY"), Some("turbo")][usize::try_from(number).unwrap() % 5];
                let (cost, price) = entry.bill(&usage, tier).unwrap();
                Some(Billed { cost, price })
            }
            Lookup::Unpriced => None,
        };
        UsageRow {
            begun: Begun {
                request_id: RequestId::new(at, &[u8::try_from(number % 251).unwrap(); 10]),
                at,
                user_id: caller.user,
                key_id: caller.key,
                team_id: caller.team,
                organization_id: caller.organization,
                provider_id: self.provider,
                credential_id: Some(CredentialId(1)),
                operation: Operation::GenerateContent,
                kind: OperationKind::OpenAiChatCompletions,
                model: model.into(),
            },
            usage,
            source: Source::Upstream,
            ended: if fails { Ended::Failed } else { Ended::Complete },
            status: if fails { 502 } else { 200 },
            first_byte_us: Some(1000),
            latency_us: 1_000 * (number % 9_000),
            phases: None,
            billed,
            losses: Vec::new(),
        }
    }

    /// Runs the proof.
    pub(crate) async fn prove(&self) -> Report {
        verify::prove(&self.store, (self.folder.path(), Some(&self.shared)), self.now_ms).await.unwrap()
    }

    /// Changes something behind the gateway's back.
    pub(crate) async fn tamper(&self, sql: &str) {
        use sea_orm::ConnectionTrait as _;
        let connection = sea_orm::Database::connect(&self.dsn).await.unwrap();
        assert!(connection.execute_unprepared(sql).await.unwrap().rows_affected() > 0, "{sql}");
        connection.close().await.unwrap();
    }

    /// Deletes what it left on the shared server.
    pub(crate) async fn end(self) {
        let client = redis::Client::open(self.redis.0).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<String> = redis::cmd("KEYS").arg(format!("{{{}}}:*", self.redis.1)).query_async(&mut connection).await.unwrap();
        for key in keys {
            let () = redis::cmd("DEL").arg(key).query_async(&mut connection).await.unwrap();
        }
        self.store.close().await.unwrap();
    }
}

/// Three users, two of them in an organization, with budgets.
async fn people(store: &SqlStore) -> Vec<Caller> {
    let organization = NewOrganization { name: "acme".into(), description: None, enabled: true };
    let organization = store.save(None, organization).await.unwrap().id;
    let team = store.save(None, NewTeam { organization_id: organization, name: "red".into(), enabled: true }).await.unwrap().id;
    let mut callers = Vec::new();
    for (name, is_member) in [("ann", true), ("bob", true), ("cyd", false)] {
        let (organization, team) = (is_member.then_some(organization), is_member.then_some(team));
        let user = store.save(None, NewUser { organization_id: organization, team_id: team, ..NewUser::named(name) }).await.unwrap().id;
        let key = store.save(None, NewKey::of(user, format!("digest-{name}"), name.to_owned())).await.unwrap().id;
        store.save(None, NewPermission::of(user, "*")).await.unwrap();
        callers.push(Caller { user, key, team, organization });
    }
    let budget = |scope, scope_id| NewQuota {
        scope,
        scope_id,
        total: Some(i64::MAX / 4),
        daily: Some(i64::MAX / 4),
        weekly: None,
        monthly: Some(i64::MAX / 4),
        rolling_5h: Some(i64::MAX / 4),
        rolling_7d: Some(i64::MAX / 4),
        admission: Kind::Strict,
    };
    store.save(None, budget(ScopeKind::User, callers[0].user.0)).await.unwrap();
    store.save(None, budget(ScopeKind::User, callers[2].user.0)).await.unwrap();
    store.save(None, budget(ScopeKind::Organization, organization.0)).await.unwrap();
    callers
}

fn redis_address() -> String {
    std::env::var("GPROXY_TEST_REDIS").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned())
}

fn prefix() -> String {
    let unique = tempfile::Builder::new().prefix("v").rand_bytes(8).tempfile().unwrap();
    format!("gproxy-verify-{}", unique.path().file_name().unwrap().to_string_lossy())
}

/// The files of the journal, by name.
pub(crate) fn segments(house: &House) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let files = std::fs::read_dir(house.folder.path().join("journal")).unwrap().map(|file| file.unwrap().path());
    let segments = files.filter(|path| path.extension().is_some_and(|extension| extension == "journal"));
    segments.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}
