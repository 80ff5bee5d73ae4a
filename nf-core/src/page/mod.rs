//! What pages are made of: one file without script, network or fonts from elsewhere, in light and dark and on paper.
#![cfg_attr(not(all(feature = "evaluate", feature = "report")), allow(dead_code, reason = "each page needs a part"))]

#[cfg(any(feature = "evaluate", feature = "report"))]
mod svg;

#[cfg(feature = "report")]
pub(crate) use svg::tip;
#[cfg(any(feature = "evaluate", feature = "report"))]
pub(crate) use svg::{Axis, Chart};

use std::fmt::Write;

const STYLE: &str = include_str!("style.css");

/// A page up to its headline.
pub(crate) fn begin(title: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
        <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    )
}

/// The page with its end.
pub(crate) fn end(mut page: String) -> String {
    page.push_str("</body>\n</html>\n");
    page
}

/// A part of the page, left out where it has nothing to show.
pub(crate) fn section(page: &mut String, title: &str, content: &str) {
    if !content.is_empty() {
        let _ = write!(page, "<section>\n<h2>{}</h2>\n{content}</section>\n", escape(title));
    }
}

/// A table from cells of plain text: those of the columns named in `words` stand to the left, cells that begin with `!` are
/// marked.
pub(crate) fn table(
    caption: &str,
    head: &[&str],
    words: &[usize],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let mut html = format!("<table>\n<caption>{}</caption>\n<tr>", escape(caption));
    let class = |place| if words.contains(&place) { " class=\"text\"" } else { "" };
    for (place, name) in head.iter().enumerate() {
        let _ = write!(html, "<th{}>{}</th>", class(place), escape(name));
    }
    html.push_str("</tr>\n");
    for row in rows {
        html.push_str("<tr>");
        for (place, cell) in row.iter().enumerate() {
            let _ = match cell.strip_prefix('!') {
                Some(bad) => write!(html, "<td class=\"bad\">{}</td>", escape(bad)),
                None => write!(html, "<td{}>{}</td>", class(place), escape(cell)),
            };
        }
        html.push_str("</tr>\n");
    }
    html + "</table>\n"
}

/// Large figures side by side, each with its name.
pub(crate) fn figures(shown: impl IntoIterator<Item = (String, String)>) -> String {
    let mut html = String::from("<div class=\"figures\">\n");
    for (value, name) in shown {
        let _ = writeln!(html, "<div><b>{}</b><span>{}</span></div>", escape(&value), escape(&name));
    }
    html + "</div>\n"
}

/// Text that may stand in HTML, in an attribute too.
pub(crate) fn escape(text: &str) -> String {
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

#[cfg(test)]
pub(crate) mod testing {
    /// Panics where an element of a page is not closed, or is closed inside another.
    pub(crate) fn assert_closed(page: &str) {
        let mut open: Vec<&str> = Vec::new();
        for tag in page.split('<').skip(1) {
            let inside = tag.split('>').next().unwrap();
            let name = inside.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap();
            if inside.starts_with('/') {
                assert_eq!(open.pop(), Some(name), "at {tag:.60}");
            } else if !inside.ends_with('/') && !inside.starts_with('!') && name != "meta" {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }
}
