//! A card as an HTML page that needs nothing else.

use super::{Card, text::Part};

const STYLE: &str = "\
:root { color-scheme: light dark; --page: #fbfbfa; --ink: #1d2329; --soft: #5c6670; --line: #dcdfe2; --card: #ffffff; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14181c; --ink: #e4e8ec; --soft: #9aa4ae; --line: #2f363d; --card: #1b2026; }
}
body { margin: 2rem auto; max-width: 52rem; padding: 0 1rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 0 0 .5rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1rem 1.2rem; margin: 1rem 0; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .3rem 1rem; margin: 0; }
dt { color: var(--soft); max-width: 14rem; overflow-wrap: anywhere; } dd { margin: 0; overflow-wrap: anywhere; }
ul { margin: 0; padding-left: 1.2rem; }
@media (max-width: 36rem) { dl { grid-template-columns: 1fr; } dd { margin: 0 0 .4rem; } }
@media print {
  :root { --page: #fff; --ink: #000; --soft: #333; --line: #999; --card: #fff; color-scheme: light; }
  body { margin: 0; max-width: none; font-size: 10pt; } section { border-radius: 0; break-inside: avoid; }
}
";

impl Card {
    /// The card as one HTML page: light or dark as the reader has it, without script, network or fonts from elsewhere.
    pub fn to_html(&self, title: &str) -> String {
        let title = escape(title);
        let parts: String = self.parts().iter().map(section).collect();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
            <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
            <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{parts}</body>\n</html>\n"
        )
    }
}

fn section(part: &Part) -> String {
    let body: String = if part.facts.iter().all(|(name, _)| name.is_empty()) {
        let items: String = part.facts.iter().map(|(_, text)| format!("<li>{}</li>\n", escape(text))).collect();
        format!("<ul>\n{items}</ul>\n")
    } else {
        let item = |(name, text): &(String, String)| format!("<dt>{}</dt><dd>{}</dd>\n", escape(name), escape(text));
        format!("<dl>\n{}</dl>\n", part.facts.iter().map(item).collect::<String>())
    };
    format!("<section>\n<h2>{}</h2>\n{body}</section>\n", part.title)
}

/// Names come from users and files: no mark-up, and no control characters.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
