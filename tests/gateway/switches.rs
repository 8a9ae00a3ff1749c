//! What an operator opens or shuts by a switch, of the program as it is started.

use crate::program::Program;

#[test]
fn metrics_are_answered_unless_they_are_switched_off() {
    for (flags, status) in [(&[][..], 200), (&["--metrics", "true"][..], 200), (&["--metrics", "false"][..], 404)] {
        let program = Program::told(flags);
        assert_eq!(program.call("GET", "/metrics", &[], "").status, status, "{flags:?}");
        let page = program.call("GET", "/", &[], "");
        assert_eq!((page.status, page.text().contains("/metrics")), (200, status == 200), "{flags:?}");
        assert_eq!(program.call("GET", "/health", &[], "").status, 200, "{flags:?}");
    }
}
