//! Other names of models: regular expressions over the whole name, tried in their operator's order.

use regex::Regex;

use crate::store::record::AliasRow;

/// The aliases of one provider, or the global ones, compiled.
#[derive(Clone, Debug, Default)]
pub struct Aliases(Vec<(Regex, String)>);

impl Aliases {
    /// Compiles rows; gives beside them which ones have no usable expression, and why.
    #[must_use]
    pub fn compile(mut rows: Vec<&AliasRow>) -> (Self, Vec<(String, String)>) {
        rows.sort_by_key(|row| (row.sort_order, row.id));
        let (mut made, mut faults) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            // Checked alone first: `a)(b` is an expression only between our own brackets.
            match Regex::new(&row.alias).and_then(|_| Regex::new(&format!("^(?:{})$", row.alias))) {
                Ok(regex) => made.push((regex, row.target.clone())),
                Err(fault) => faults.push((row.alias.clone(), format!("is no regular expression: {fault}"))),
            }
        }
        (Self(made), faults)
    }

    /// What a name becomes; `None` where no alias fits. One alias is applied, never two in a row.
    #[must_use]
    pub fn apply(&self, name: &str) -> Option<String> {
        self.0.iter().find_map(|(regex, target)| {
            let found = regex.captures(name)?;
            let mut out = String::new();
            found.expand(target, &mut out);
            Some(out)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Aliases;
    use crate::{
        base::AliasId,
        store::record::{AliasRow, NewAlias},
    };

    fn row(id: i64, sort_order: i64, alias: &str, target: &str) -> AliasRow {
        let row = NewAlias { provider: "*".into(), alias: alias.into(), target: target.into(), sort_order, enabled: true };
        AliasRow { id: AliasId(id), row, created_at: 0, updated_at: 0 }
    }

    #[test]
    fn the_first_that_fits_the_whole_name_renames_it() {
        let rows = [row(1, 5, "gpt-.*", "late"), row(3, 1, "gpt-(\\d)", "open/gpt-$1"), row(2, 1, "a|b", "ab"), row(4, 0, "a)(b", "no")];
        let (aliases, faults) = Aliases::compile(rows.iter().collect());
        assert_eq!(faults.iter().map(|(alias, _)| alias.as_str()).collect::<Vec<_>>(), ["a)(b"]);
        let cases =
            [("gpt-4", Some("open/gpt-4")), ("gpt-45", Some("late")), ("a", Some("ab")), ("ab", None), ("xgpt-4", None), ("", None)];
        for (name, expected) in cases {
            assert_eq!(aliases.apply(name).as_deref(), expected, "{name:?}");
        }
    }
}
