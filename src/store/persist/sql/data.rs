//! Columns of records as the driver's values, and back.

use sea_orm::{DbErr, QueryResult, Value};

use crate::store::record::{CellKind, Datum, Record, Standing};

/// What to bind for a row, in the order of its columns.
pub(super) fn values<N: Record>(row: &N) -> impl Iterator<Item = Value> {
    row.data().into_iter().map(value)
}

/// What to bind for one column.
pub(super) fn value(datum: Datum) -> Value {
    match datum {
        Datum::Text(text) => optional(text.as_deref()),
        Datum::Int(number) => number.into(),
        Datum::Bool(flag) => flag.into(),
    }
}

/// Reads a kept row.
pub(super) fn kept<N: Record>(row: &QueryResult) -> Result<Standing<N>, DbErr> {
    let data = N::COLUMNS.iter().map(|(column, kind)| datum(row, column, *kind)).collect::<Result<Vec<_>, _>>()?;
    let id: i64 = row.try_get("", "id")?;
    let read =
        N::read(data).ok_or_else(|| DbErr::Type(format!("row {id} of {} holds a word that this program does not know", N::TABLE)))?;
    Ok(Standing { id: id.into(), row: read, created_at: row.try_get("", "created_at")?, updated_at: row.try_get("", "updated_at")? })
}

fn datum(row: &QueryResult, column: &str, kind: CellKind) -> Result<Datum, DbErr> {
    Ok(match kind {
        CellKind::Text => Datum::Text(row.try_get("", column)?),
        CellKind::Int => Datum::Int(row.try_get("", column)?),
        CellKind::Bool => Datum::Bool(row.try_get("", column)?),
    })
}

/// A text to bind. PostgreSQL refuses NUL in texts, and one such name must not stop the writer: it becomes U+FFFD.
pub(super) fn text(text: &str) -> Value {
    Value::String(Some(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() }))
}

/// A text that may be absent.
pub(super) fn optional(value: Option<&str>) -> Value {
    value.map_or(Value::String(None), text)
}
