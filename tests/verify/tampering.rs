//! What somebody with the database's password, but without the key, may try; and the check that names it.

use gproxy::{
    base::RequestId,
    billing::verify::Check,
    store::cache::{Admission, Claim, Counters as _, Draw},
};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};

use crate::house::{House, START, segments};

const COLUMNS: &str = "at, user_id, user_key_id, team_id, organization_id, provider_id, credential_id, operation, kind, model, \
    input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_30m_tokens, cache_write_1h_tokens, output_tokens, \
    reasoning_tokens, metrics_json, source, ended, status, first_byte_us, latency_us, cost_nanos, price_version";
const TABLES: [&str; 3] = ["usages", "usage_rollups", "usage_head"];
const HOUR: u64 = 3_600_000;

/// A connection of the intruder's.
struct Intruder {
    connection: DatabaseConnection,
}

impl Intruder {
    async fn enter(dsn: &str) -> Self {
        let mut options = ConnectOptions::new(dsn);
        options.sqlx_logging(false).max_connections(1);
        let connection = Database::connect(options).await.unwrap();
        for table in TABLES {
            connection.execute_unprepared(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await.unwrap();
        }
        Self { connection }
    }

    async fn run(&self, sql: &str) {
        let done = self.connection.execute_unprepared(sql).await.unwrap();
        assert!(done.rows_affected() > 0, "nothing was tampered with: {sql}");
    }

    /// Puts everything back.
    async fn undo(&self) {
        for table in TABLES {
            self.connection.execute_unprepared(&format!("DELETE FROM {table}")).await.unwrap();
            self.connection.execute_unprepared(&format!("INSERT INTO {table} SELECT * FROM kept_{table}")).await.unwrap();
        }
    }

    async fn leave(self) {
        for table in TABLES {
            self.connection.execute_unprepared(&format!("DROP TABLE kept_{table}")).await.unwrap();
        }
        self.connection.close().await.unwrap();
    }
}

/// Plants each tampering by itself, and expects the checks that name it.
pub(crate) async fn each_is_found(house: &mut House, dsn: &str) {
    let intruder = Intruder::enter(dsn).await;
    let priced = house.row(301);
    assert!(priced.billed.as_ref().unwrap().cost.get() > 0);
    let id = priced.begun.request_id;
    let other = house.row(302).begun.user_id;
    assert_ne!(other, priced.begun.user_id);
    let copy = RequestId::new(priced.begun.at, &[9; 10]);
    let at = |sql: &str| format!("UPDATE usages SET {sql} WHERE request_id = '{id}'");
    let hour = priced.begun.at - priced.begun.at % HOUR;
    let group = |span: i64, at: u64| {
        let (user, model) = (priced.begun.user_id, &priced.begun.model);
        format!("span = {span} AND at = {at} AND user_id = {user} AND model = '{model}'")
    };
    let insert = |seal: &str| {
        format!("INSERT INTO usages (request_id, {COLUMNS}, seal) SELECT '{copy}', {COLUMNS}, {seal} FROM usages WHERE request_id = '{id}'")
    };
    let plain: [(&str, String, &[Check]); 15] = [
        ("a row is deleted", format!("DELETE FROM usages WHERE request_id = '{id}'"), &[Check::RowsThere]),
        ("a cost is changed", at("cost_nanos = cost_nanos - 1"), &[Check::RowsIntact, Check::CostsRight]),
        ("tokens are changed", at("output_tokens = output_tokens + 40"), &[Check::RowsIntact, Check::CostsRight]),
        ("a price version is removed", at("price_version = ''"), &[Check::PricesKept, Check::RowsIntact]),
        ("a price version is altered", at("price_version = 'rule:77@1'"), &[Check::RowsIntact]),
        ("a bill is removed", at("cost_nanos = NULL, price_version = ''"), &[Check::RowsIntact]),
        ("a scope is swapped", at(&format!("user_id = {other}")), &[Check::ScopesStand, Check::RowsIntact]),
        ("a row is doubled under another id", insert("seal"), &[Check::RowsOnce]),
        ("a row is made up", insert("0"), &[Check::RowsIntact]),
        ("a time is moved to another day", at("at = at + 172800000"), &[Check::RowsInTime, Check::RowsIntact]),
        ("tokens are below zero", at("input_tokens = -5"), &[Check::RowsSound, Check::RowsIntact]),
        ("a word is replaced", at("ended = 'never'"), &[Check::RowsSound, Check::RowsIntact]),
        (
            "an hour's sum is changed",
            format!("UPDATE usage_rollups SET cost_nanos = cost_nanos - 7 WHERE {}", group(1, hour)),
            &[Check::HourSums],
        ),
        (
            "a day's sum is changed",
            format!("UPDATE usage_rollups SET input_tokens = input_tokens + 7 WHERE {}", group(24, hour - hour % (24 * HOUR))),
            &[Check::DaySums],
        ),
        ("the head is changed", "UPDATE usage_head SET requests = requests - 1".to_owned(), &[Check::Head]),
    ];
    for (what, sql, checks) in plain {
        intruder.run(&sql).await;
        found(house, what, checks).await;
        intruder.undo().await;
    }
    erased_from_every_sum(&intruder, house, (&group, hour)).await;
    orphaned(&intruder, house).await;
    intruder.leave().await;
    altered_in_the_journal(house).await;
    reserved_and_left(house).await;
    counted_otherwise(house).await;
}

/// Expects that the proof names the tampering, and only by checks that are about it.
async fn found(house: &House, what: &str, checks: &[Check]) {
    let report = house.prove().await;
    for check in checks {
        assert!(report.line(*check).differences > 0, "{what}: {check:?}\n{report}");
    }
    let named: Vec<Check> = report.checks.iter().filter(|line| line.differences > 0).map(|line| line.check).collect();
    let extra = named.iter().filter(|check| !checks.contains(check) && !follows(**check));
    assert_eq!(extra.count(), 0, "{what}: {named:?}\n{report}");
}

/// Checks that sum over what a tampering changed, and may differ with it.
fn follows(check: Check) -> bool {
    matches!(check, Check::Budgets | Check::Counters | Check::JournalRows | Check::RowsThere | Check::Head | Check::CostsRight)
}

/// A whole group of an hour is deleted, and taken off every sum above it.
async fn erased_from_every_sum(intruder: &Intruder, house: &House, (group, hour): (&impl Fn(i64, u64) -> String, u64)) {
    let day = hour - hour % (24 * HOUR);
    let begun = house.row(301).begun;
    let of = format!("user_id = {} AND model = '{}' AND at >= {hour} AND at < {}", begun.user_id, begun.model, hour + HOUR);
    let wheres = [group(24, day), "id = 1".to_owned()];
    for (table, which) in ["usage_rollups", "usage_head"].into_iter().zip(&wheres) {
        let off = |column: &str| {
            format!("{column} = {column} - (SELECT COALESCE(SUM({column}), 0) FROM kept_usage_rollups WHERE {})", group(1, hour))
        };
        let requests = if table == "usage_head" {
            "requests, cost_nanos"
        } else {
            "requests, cost_nanos, input_tokens, output_tokens, cache_read_tokens, searches, priced, unpriced"
        };
        let mut sets: Vec<String> = requests.split(", ").map(off).collect();
        let seals = format!("(SELECT SUM(seal) FROM kept_usage_rollups WHERE {})", group(1, hour));
        sets.push(format!("seal = (seal + 4611686018427387904 - {seals} % 4611686018427387904) % 4611686018427387904"));
        intruder.run(&format!("UPDATE {table} SET {} WHERE {which}", sets.join(", "))).await;
    }
    intruder.run(&format!("DELETE FROM usage_rollups WHERE {}", group(1, hour))).await;
    intruder.run(&format!("DELETE FROM usages WHERE {of}")).await;
    found(house, "a group is erased from every sum", &[Check::Head]).await;
    intruder.undo().await;
}

async fn orphaned(intruder: &Intruder, house: &House) {
    let sql =
        "INSERT INTO permissions (scope, scope_id, pattern, operation_group, created_at, updated_at) VALUES ('user', 9999, '*', '', 1, 1)";
    intruder.run(sql).await;
    found(house, "a permission is nobody's", &[Check::ScopesStand]).await;
    intruder.run("DELETE FROM permissions WHERE scope_id = 9999").await;
}

/// A byte of an entry is changed, and then the whole of it with its checksum made to fit.
async fn altered_in_the_journal(house: &House) {
    let (path, whole) = segments(house).into_iter().find(|(_, bytes)| bytes.iter().any(|byte| *byte != 0)).unwrap();
    let mut bytes = whole.clone();
    bytes[20] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    found(house, "a journal entry is altered", &[Check::JournalWhole]).await;
    let forged = forge(&whole);
    std::fs::write(&path, &forged).unwrap();
    found(house, "a journal entry is forged", &[Check::JournalRows]).await;
    std::fs::write(&path, &whole).unwrap();
}

/// Changes the cost of the first ended call, and makes its frame's checksum fit.
fn forge(whole: &[u8]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let mut at = 0;
    while let Some(length) = bytes.get(at..at + 4).map(|head| u32::from_le_bytes(head.try_into().unwrap()) as usize)
        && length > 0
    {
        let frame = at + 8..at + 8 + length;
        // The tag of an ended call; its last byte before the price's text is of the version: change a character of the price.
        if bytes[frame.start + 1] == 3 && bytes[frame.end - 1].is_ascii_digit() {
            bytes[frame.end - 1] ^= 1;
            let sum = crc32fast::hash(&bytes[frame]);
            bytes[at + 4..at + 8].copy_from_slice(&sum.to_le_bytes());
            return bytes;
        }
        at = frame.end;
    }
    panic!("no priced call in the journal");
}

/// A reservation that nobody ends nor sweeps.
async fn reserved_and_left(house: &mut House) {
    let id = RequestId::new(START, &[201; 10]);
    let draws = vec![Draw { meter: house.some_meter(), limit: i64::MAX / 4, amount: 1_000 }];
    let claim = Claim { id, now_ms: house.now_ms - 3_600_000, lease_ms: 1_000, draws };
    assert!(matches!(house.shared.admit(claim).await.unwrap(), Admission::Admitted(_)));
    found(house, "a reservation is left behind", &[Check::Reservations]).await;
    house.shared.release(id).await.unwrap();
}

/// A counter that says less than the rows.
async fn counted_otherwise(house: &mut House) {
    let meter = house.some_meter();
    let spent = house.shared.read(&[meter], house.now_ms).await.unwrap()[0].spent;
    house.shared.seed(meter, house.now_ms, spent / 2).await.unwrap();
    found(house, "a counter is halved", &[Check::Counters]).await;
    house.shared.seed(meter, house.now_ms, spent).await.unwrap();
}
