//! Nouns whose rows are shown as they rest: organizations, teams, permissions, limits, quotas, prices.

use std::{borrow::Cow, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Admin, AdminFault, Member, reach};
use crate::{
    base::{Nanos, OrganizationId},
    billing::Tariff,
    snapshot::name,
    store::record::{
        ConfigRows, NewOrganization, NewPermission, NewPriceRule, NewQuota, NewRateLimit, NewTeam, PriceMatch, Record, Scope, ScopeKind,
        Standing,
    },
};

/// Such a noun.
pub trait Plain: Record {
    /// Members that rest as nano-dollars and are shown as decimal dollars.
    const MONEY: &'static [&'static str] = &[];
    /// Members that rest as JSON texts, and may come as the JSON itself.
    const JSON: &'static [&'static str] = &[];

    /// What a new row has where its maker says nothing.
    fn defaults() -> Value {
        json!({ "enabled": true })
    }

    /// Checks a row before it is stored; `standing` is the one that it takes the place of.
    ///
    /// # Errors
    /// The member at fault, and what was expected.
    fn check(&self, rows: &ConfigRows, standing: Option<&Standing<Self>>) -> Result<(), AdminFault>;

    /// Refuses a row within an organization that gives more than the organization has itself.
    ///
    /// # Errors
    /// [`AdminFault::Forbidden`].
    fn within(&self, rows: &ConfigRows, own: OrganizationId) -> Result<(), AdminFault> {
        let _ = (rows, own);
        Ok(())
    }
}

/// A row as it is shown: money in dollars, and whose it is where that is told.
#[derive(Debug, Serialize)]
#[serde(transparent, bound = "")]
pub struct Shown<N>(Map<String, Value>, #[serde(skip)] PhantomData<fn() -> N>);

impl<N: Plain> JsonSchema for Shown<N> {
    fn schema_name() -> Cow<'static, str> {
        words(N::NOUN.name()).into()
    }

    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        let mut schema = Standing::<N>::json_schema(schemas);
        if let Some(description) = N::json_schema(schemas).get("description") {
            schema.insert("description".to_owned(), description.clone());
        }
        for member in N::MONEY {
            set(&mut schema, member, json!(schemas.subschema_for::<Option<Nanos>>()));
        }
        schema
    }
}

/// A row that counts for somebody.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(bound = "")]
#[schemars(bound = "", rename = "Own{N}")]
pub struct Own<N: Plain> {
    /// What it says.
    #[serde(flatten)]
    row: Shown<N>,
    /// Whose it is.
    source: ScopeKind,
}

/// What a row shall have. What is absent stays, or gets what is usual.
#[derive(Debug, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Given<N>(Map<String, Value>, #[serde(skip)] PhantomData<fn() -> N>);

impl<N: Plain> JsonSchema for Given<N> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}Input", words(N::NOUN.name())).into()
    }

    fn json_schema(schemas: &mut SchemaGenerator) -> Schema {
        let mut schema = N::json_schema(schemas);
        for member in N::MONEY {
            set(&mut schema, member, json!(schemas.subschema_for::<Option<Nanos>>()));
        }
        for member in N::JSON {
            set(&mut schema, member, json!({ "type": ["string", "object", "array", "null"] }));
        }
        set(&mut schema, "id", json!({ "description": "Which one to change.", "type": ["integer", "null"], "format": "int64" }));
        schema.remove("required");
        schema.insert("additionalProperties".to_owned(), false.into());
        schema
    }
}

/// A noun's name as a type is called: `RateLimit` for `rate_limit`.
fn words(name: &str) -> String {
    let capital = |word: &str| word.chars().next().into_iter().flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect::<String>();
    name.split('_').map(capital).collect()
}

/// Says another thing of a member. Its description stays.
fn set(schema: &mut Schema, member: &str, mut said: Value) {
    let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    if let Some(description) = members.get(member).and_then(|standing| standing.get("description")) {
        said["description"] = description.clone();
    }
    members.insert(member.to_owned(), said);
}

pub(super) fn text(field: &str, value: &str) -> Result<(), AdminFault> {
    name::text(value).map_err(|message| AdminFault::invalid(field, message))
}

pub(super) fn not_negative(fields: &[(&str, Option<i64>)]) -> Result<(), AdminFault> {
    match fields.iter().find(|(_, figure)| figure.is_some_and(|figure| figure < 0)) {
        Some((field, figure)) => {
            Err(AdminFault::invalid(*field, format!("is {}; expected 0 or more, or null", figure.unwrap_or_default())))
        }
        None => Ok(()),
    }
}

impl Plain for NewOrganization {
    fn check(&self, _: &ConfigRows, _: Option<&Standing<Self>>) -> Result<(), AdminFault> {
        text("name", &self.name)
    }
}

impl Plain for NewTeam {
    fn check(&self, rows: &ConfigRows, standing: Option<&Standing<Self>>) -> Result<(), AdminFault> {
        let moved = standing.filter(|team| team.organization_id != self.organization_id);
        if moved.is_some_and(|team| rows.users.iter().any(|user| user.team_id == Some(team.id))) {
            let message = "differs from the organization of the team's users; move them out of the team first";
            return Err(AdminFault::invalid("organization_id", message));
        }
        text("name", &self.name)
    }
}

impl Plain for NewPermission {
    fn defaults() -> Value {
        json!({ "operation_group": "" })
    }

    fn check(&self, _: &ConfigRows, _: Option<&Standing<Self>>) -> Result<(), AdminFault> {
        text("pattern", &self.pattern)?;
        let group = &self.operation_group;
        if group.is_empty() || crate::protocol::OperationGroup::parse(group).is_some() {
            return Ok(());
        }
        let known: Vec<&str> = crate::protocol::OperationGroup::ALL.iter().map(|group| group.id()).collect();
        Err(AdminFault::invalid("operation_group", format!("is {group:?}; expected \"\" for all, or one of {}", known.join(", "))))
    }

    fn within(&self, rows: &ConfigRows, own: OrganizationId) -> Result<(), AdminFault> {
        reach::within_permissions(rows, own, self)
    }
}

impl Plain for NewRateLimit {
    fn defaults() -> Value {
        json!({ "pattern": "*" })
    }

    fn check(&self, _: &ConfigRows, _: Option<&Standing<Self>>) -> Result<(), AdminFault> {
        text("pattern", &self.pattern)?;
        not_negative(&[
            ("requests_per_minute", self.requests_per_minute),
            ("requests_per_day", self.requests_per_day),
            ("tokens_per_minute", self.tokens_per_minute),
            ("tokens_per_day", self.tokens_per_day),
            ("concurrency", self.concurrency),
        ])
    }
}

impl Plain for NewQuota {
    const MONEY: &'static [&'static str] = &["total", "daily", "weekly", "monthly", "rolling_5h", "rolling_7d"];

    fn defaults() -> Value {
        json!({ "admission": "strict" })
    }

    fn check(&self, _: &ConfigRows, _: Option<&Standing<Self>>) -> Result<(), AdminFault> {
        let figures = self.windows().map(|(_, figure)| figure);
        let named: Vec<(&str, Option<i64>)> = Self::MONEY.iter().copied().zip(figures).collect();
        not_negative(&named)
    }

    fn within(&self, rows: &ConfigRows, own: OrganizationId) -> Result<(), AdminFault> {
        reach::within_quota(rows, own, self)
    }
}

impl Plain for NewPriceRule {
    const JSON: &'static [&'static str] = &["rates_json"];

    fn defaults() -> Value {
        json!({ "enabled": true, "match_kind": "exact", "pattern": "" })
    }

    fn check(&self, _: &ConfigRows, _: Option<&Standing<Self>>) -> Result<(), AdminFault> {
        match self.match_kind {
            PriceMatch::Default if !self.pattern.is_empty() => {
                return Err(AdminFault::invalid("pattern", format!("is {:?}; expected none with match_kind \"default\"", self.pattern)));
            }
            PriceMatch::Default => {}
            PriceMatch::Exact | PriceMatch::Glob => text("pattern", &self.pattern)?,
        }
        Tariff::from_json(&self.rates_json).map(drop).map_err(|fault| AdminFault::invalid("rates_json", fault.to_string()))
    }
}

/// Rows of a noun that `wanted` keeps.
///
/// # Errors
/// Of the store.
pub async fn list<N: Plain>(admin: Admin<'_>, wanted: impl Fn(&N) -> bool + Send) -> Result<Vec<Shown<N>>, AdminFault> {
    let control = admin.control();
    control.refresh().await?;
    let snapshot = control.snapshot().load();
    let rows = snapshot.rows();
    N::table(rows).iter().filter(|row| wanted(&row.row) && admin.sees_row(rows, row)).map(shown).collect()
}

/// One row.
///
/// # Errors
/// [`AdminFault::Missing`].
pub async fn get<N: Plain>(admin: Admin<'_>, id: i64) -> Result<Shown<N>, AdminFault> {
    let control = admin.control();
    control.refresh().await?;
    let snapshot = control.snapshot().load();
    shown(find::<N>(admin, snapshot.rows(), id)?)
}

/// A row that the caller reaches.
fn find<'a, N: Record>(admin: Admin<'_>, rows: &'a ConfigRows, id: i64) -> Result<&'a Standing<N>, AdminFault> {
    let row = N::table(rows).get(id.into()).filter(|row| admin.sees_row(rows, row));
    row.ok_or_else(|| AdminFault::missing(N::NOUN.name(), id))
}

/// Rows that count for the caller's calls: of its key, user, team and organization. `source` says whose each is.
///
/// # Errors
/// Of writing them.
pub fn own<N: Plain>(member: Member<'_>) -> Result<Vec<Own<N>>, AdminFault> {
    let caller = member.caller();
    let scopes =
        [Some(caller.key().into()), Some(caller.user().into()), caller.team().map(Into::into), caller.organization().map(Into::into)];
    let snapshot = member.control().snapshot().load();
    let mut own = Vec::new();
    for scope in scopes.into_iter().flatten() {
        for row in N::table(snapshot.rows()).iter().filter(|row| row.row.scope() == Some(scope)) {
            own.push(Own { row: shown(row)?, source: scope.kind });
        }
    }
    Ok(own)
}

/// The column by which a row names one of another noun.
fn column<P: Record, N: Record>() -> Option<&'static str> {
    N::LINKS.iter().flatten().find(|link| link.noun == P::NOUN).map(|link| link.column)
}

/// Rows of a noun that hang on a row of another.
///
/// # Errors
/// [`AdminFault::Missing`] where that does not stand.
pub async fn list_below<P: Record, N: Plain>(admin: Admin<'_>, parent: i64) -> Result<Vec<Shown<N>>, AdminFault> {
    let control = admin.control();
    control.refresh().await?;
    find::<P>(admin, control.snapshot().load().rows(), parent)?;
    list(admin, move |row| column::<P, N>().and_then(|column| link(row, column)) == Some(parent)).await
}

/// Makes or changes a row that hangs on one of another noun.
///
/// # Errors
/// [`AdminFault`].
pub async fn save_below<P: Record, N: Plain>(admin: Admin<'_>, parent: i64, input: Given<N>) -> Result<Shown<N>, AdminFault> {
    put(admin, None, input, column::<P, N>().map(|column| (column, parent))).await
}

/// Makes a row, or changes the one of an id: that of the path, or the input's. With an id what is absent stays.
///
/// # Errors
/// [`AdminFault`].
pub async fn save<N: Plain>(admin: Admin<'_>, id: Option<i64>, input: Given<N>) -> Result<Shown<N>, AdminFault> {
    put(admin, id, input, None).await
}

/// Saves a row of which the path says an id, or the row that it hangs on.
async fn put<N: Plain>(
    admin: Admin<'_>,
    id: Option<i64>,
    Given(input, _): Given<N>,
    given: Option<(&'static str, i64)>,
) -> Result<Shown<N>, AdminFault> {
    let control = admin.control();
    control.refresh().await?;
    let snapshot = control.snapshot().load();
    let id = which(id, &input)?;
    let standing = id.map(|id| find::<N>(admin, snapshot.rows(), id)).transpose()?;
    let elsewhere = |standing: &Standing<N>| given.is_some_and(|(column, value)| link(&standing.row, column) != Some(value));
    if let Some(id) = id.filter(|_| standing.is_some_and(elsewhere)) {
        return Err(AdminFault::missing(N::NOUN.name(), id));
    }
    let mut members = match standing {
        Some(standing) => object(&standing.row)?,
        None => object(&N::defaults())?,
    };
    for (member, value) in input.into_iter().filter(|(member, _)| member != "id") {
        if !N::COLUMNS.iter().any(|(column, _)| *column == member) {
            let known = N::COLUMNS.iter().map(|(column, _)| *column);
            let message = format!("unknown member {member:?}{}", name::hint(&member, known));
            return Err(AdminFault::invalid(member, message));
        }
        let value = match value {
            value if N::MONEY.contains(&member.as_str()) => nanos(&member, &value)?,
            value @ (Value::Object(_) | Value::Array(_)) if N::JSON.contains(&member.as_str()) => value.to_string().into(),
            value => value,
        };
        members.insert(member, value);
    }
    if let Some((member, value)) = given {
        members.insert(member.to_owned(), value.into());
    }
    let row: N = serde_path_to_error::deserialize(Value::Object(members)).map_err(|error| {
        let path = error.path().to_string();
        AdminFault::invalid(if path == "." { String::new() } else { path }, error.into_inner().to_string())
    })?;
    row.check(snapshot.rows(), standing)?;
    may_save(admin, snapshot.rows(), standing, &row)?;
    let saved = admin.actor().save(snapshot.rows(), id.map(Into::into), row).await?;
    shown(&saved)
}

/// Refuses a row that the caller may not make, or may not make of what stands.
fn may_save<N: Plain>(admin: Admin<'_>, rows: &ConfigRows, standing: Option<&Standing<N>>, row: &N) -> Result<(), AdminFault> {
    admin.may_keep(rows, row)?;
    if let Some(own) = admin.within() {
        row.within(rows, own)?;
    }
    let Some(standing) = standing else { return Ok(()) };
    admin.may_keep(rows, &standing.row)?;
    let mut after = rows.clone();
    N::table_mut(&mut after).put(Standing { row: row.clone(), ..standing.clone() });
    admin.may_shut_out(rows, &after)
}

/// Forgets a row, and what hangs on it.
///
/// # Errors
/// [`AdminFault::Missing`], [`AdminFault::Forbidden`] for what the organization itself has.
pub async fn delete<N: Plain>(admin: Admin<'_>, id: i64) -> Result<(), AdminFault> {
    let control = admin.control();
    control.refresh().await?;
    let snapshot = control.snapshot().load();
    let row = find::<N>(admin, snapshot.rows(), id)?;
    admin.may_keep(snapshot.rows(), &row.row)?;
    admin.actor().delete::<N>(snapshot.rows(), id.into()).await
}

/// Forgets an organization that nobody is in.
///
/// # Errors
/// [`AdminFault::Conflict`] while it has users: they, their keys and their budgets would go with it.
pub async fn delete_organization(admin: Admin<'_>, id: i64) -> Result<(), AdminFault> {
    let control = admin.control();
    control.refresh().await?;
    let snapshot = control.snapshot().load();
    let users = snapshot.rows().users.iter().filter(|user| user.organization_id == Some(id.into())).count();
    if users > 0 {
        return Err(AdminFault::Conflict(format!("the organization has {users} users; delete them or move them elsewhere first")));
    }
    delete::<NewOrganization>(admin, id).await
}

/// Whose rows a question asks for.
#[must_use]
pub fn is_of<N: Record>(row: &N, kind: Option<ScopeKind>, id: Option<i64>) -> bool {
    let of = |scope: Scope| kind.is_none_or(|kind| scope.kind == kind) && id.is_none_or(|id| scope.id == id);
    row.scope().is_some_and(of)
}

/// The id that a row names in a column.
pub fn link<N: Record>(row: &N, column: &str) -> Option<i64> {
    row.links().into_iter().find(|(link, _)| link.column == column).map(|(_, id)| id)
}

fn which(path: Option<i64>, input: &Map<String, Value>) -> Result<Option<i64>, AdminFault> {
    let told = match input.get("id") {
        None | Some(Value::Null) => None,
        Some(id) => Some(id.as_i64().ok_or_else(|| AdminFault::invalid("id", format!("is {id}; expected a whole number")))?),
    };
    match (path, told) {
        (Some(path), Some(told)) if path != told => Err(AdminFault::invalid("id", "differs from the id in the path")),
        (path, told) => Ok(path.or(told)),
    }
}

fn object(value: &impl serde::Serialize) -> Result<Map<String, Value>, AdminFault> {
    match serde_json::to_value(value) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) | Err(_) => Err(AdminFault::Conflict("the row cannot be shown".to_owned())),
    }
}

fn shown<N: Plain>(row: &Standing<N>) -> Result<Shown<N>, AdminFault> {
    let mut members = object(row)?;
    for member in N::MONEY {
        if let Some(figure) = members.get(*member).and_then(Value::as_i64) {
            members.insert((*member).to_owned(), Nanos::new(figure).to_string().into());
        }
    }
    Ok(Shown(members, PhantomData))
}

fn nanos(member: &str, value: &Value) -> Result<Value, AdminFault> {
    match value {
        Value::Null => Ok(Value::Null),
        Value::String(text) => {
            Nanos::parse(text).map(|nanos| nanos.get().into()).map_err(|fault| AdminFault::invalid(member, fault.to_string()))
        }
        other => Err(AdminFault::invalid(member, format!("is {other}; expected dollars as a decimal string, such as \"12.50\", or null"))),
    }
}
