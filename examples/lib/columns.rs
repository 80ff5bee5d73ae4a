//! The page that lists every column, made from the schemas.

use nf_core::{
    FeatureSpec,
    features::{Column, Transform},
};
use std::fmt::Write;

const HEAD: &str = "\
# Columns

What models read of a session. This page is made from the schemas by `cargo run --release --example columns`, and a test holds
it equal to them. *Stored* says how the number in a row follows from the quantity *x* in its unit; the constants are fixed and
never depend on a capture. *Fact* is what an explanation names, and sets to what was expected, as one: columns that state the same,
or follow from each other, share it ([Explain](guide/explain.md)).
";

/// The text of `docs/features.md`.
pub fn columns() -> String {
    let specs = [
        (
            FeatureSpec::packets(64),
            "`FeatureSpec::packets(n)`",
            "One row of the first *n* packets a session, shape (sessions, *n*, 8). All columns are behaviour: none names a host, \
            a port or a moment.",
        ),
        (
            FeatureSpec::flow(),
            "`FeatureSpec::flow()`",
            "Statistics over all packets of a session, shape (sessions, 1, columns).",
        ),
        (
            FeatureSpec::context(),
            "`FeatureSpec::context()`",
            "What the session's source, its pair of hosts and its destination did lately, and its DNS question, shape \
            (sessions, 1, columns). A column knows only what was known at that moment. Clients of the network are the different sources \
            of answered TCP sessions in 60 s, at least 1 and at most 256.",
        ),
        (
            FeatureSpec::services(),
            "`FeatureSpec::services()`",
            "Which service a session used, shape (sessions, 1, 2). Names to be counted, not quantities: for the head `rarity`, which is \
            not one of the default.",
        ),
        (
            FeatureSpec::addresses(64),
            "`FeatureSpec::addresses(n)`",
            "Addressing columns as the first neural-filter project had them, to reproduce it, shape (sessions, *n*, 8). They name \
            the hosts of one network and do not transfer to another: not for use.",
        ),
    ];
    let mut page = HEAD.to_owned();
    for (spec, title, about) in specs {
        let schema = spec.schema();
        let (width, fingerprint) = (schema.width(), schema.fingerprint());
        let _ = writeln!(page, "\n## {title}\n\n{about} {width} columns, fingerprint `{fingerprint}`.\n");
        let catches = schema.columns().iter().any(|column| !column.catches.is_empty());
        page.push_str("| column | unit | stored | fact | meaning |");
        page.push_str(if catches {
            " catches |
|---|---|---|---|---|---|
"
        } else {
            "
|---|---|---|---|---|
"
        });
        for column in schema.columns() {
            let (fact, stored) = (column.fact.replace(' ', ", "), stored(column));
            let _ = write!(page, "| `{}` | {} | {stored} | {fact} | {} |", column.name, column.unit, column.meaning);
            page.push_str(&if catches {
                format!(
                    " {} |
",
                    column.catches
                )
            } else {
                "
"
                .to_owned()
            });
        }
    }
    page
}

fn stored(column: &Column) -> String {
    match column.transform {
        Transform::Identity => "*x*".to_owned(),
        Transform::Divide { scale } => format!("*x* / {scale}"),
        Transform::Log { scale: 1.0 } => "ln(1 + *x*)".to_owned(),
        Transform::Log { scale } => format!("ln(1 + *x*) / {scale}"),
        Transform::Gap => "log10(1 + *x* / 1 us) / 7".to_owned(),
        Transform::Variation => "ln(*x* + 0.02)".to_owned(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn page_in_docs_is_the_one_the_schemas_make() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/features.md");
        let page = std::fs::read_to_string(path).expect("docs/features.md can be read");
        assert!(
            page == super::columns(),
            "docs/features.md is out of date: cargo run --release --example columns > docs/features.md"
        );
    }
}
