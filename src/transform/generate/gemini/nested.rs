//! Members of objects within, which ride in the [`Rest`] of the object around them.

use super::super::{Dialect, canon::Rest};
use crate::{protocol::json::ObjectWriter, transform::Loss};

/// Writes Google's own members that stood directly in the object; others' are lost at `path`.
pub(super) fn outer(rest: &Rest<'_>, out: &mut ObjectWriter<'_>, path: impl FnOnce() -> String, losses: &mut Vec<Loss>) {
    if rest.of != Some(Dialect::Gemini) {
        rest.lose(path, losses);
        return;
    }
    for (name, json) in &rest.members {
        out.raw(name, json);
    }
}

/// Writes Google's own members that stood in the object `name` within.
pub(super) fn within(rest: &Rest<'_>, name: &str, out: &mut ObjectWriter<'_>) {
    rest.write_within(Dialect::Gemini, name, out);
}

/// Writes an object, unless nothing would stand in it.
pub(super) fn filled(out: &mut ObjectWriter<'_>, name: &str, fill: impl FnOnce(&mut ObjectWriter<'_>)) {
    let mut inner = Vec::new();
    crate::protocol::json::object(&mut inner, fill);
    if inner != b"{}" {
        #[expect(clippy::expect_used, reason = "the writer writes UTF-8")]
        out.json(name, std::str::from_utf8(&inner).expect("JSON is UTF-8"));
    }
}
