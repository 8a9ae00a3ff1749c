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

#[test]
fn pages_of_other_origins_may_call_only_where_they_are_named() {
    const A: &str = "https://a.example";
    const B: &str = "https://b.example";
    for (flags, a, b) in [
        (&[][..], None, None),
        (&["--cors-origins", "*"][..], Some("*"), Some("*")),
        (&["--cors-origins", A][..], Some(A), None),
        (&["--cors-origins", "https://a.example,https://b.example"][..], Some(A), Some(B)),
    ] {
        let program = Program::told(flags);
        let bearer = format!("Bearer {}", program.key);
        for (origin, allowed) in [(A, a), (B, b)] {
            let asked = [("origin", origin), ("authorization", &bearer), ("access-control-request-method", "POST")];
            for (method, path, allowed) in
                [("GET", "/v1/models", allowed), ("OPTIONS", "/v1/chat/completions", allowed), ("GET", "/admin/users", None)]
            {
                let answer = program.call(method, path, &asked, "");
                assert_eq!(answer.header("access-control-allow-origin"), allowed, "{flags:?} {origin} {method} {path}");
            }
        }
    }
}
