//! A socket table as an HTML table.

use super::escape;
use crate::table::Row;

/// The rows, and a last line that says how many more there are.
pub fn html<'a>(rows: impl IntoIterator<Item = &'a Row>, more: usize) -> String {
    let mut out = String::from(
        "<table><thead><tr><th>Netid</th><th>State</th><th>Recv-Q</th><th>Send-Q</th>\
         <th>Local Address:Port</th><th>Peer Address:Port</th><th>Timer</th></tr></thead><tbody>",
    );
    for row in rows {
        let timer = row.timer.map(|timer| timer.to_string()).unwrap_or_default();
        let cells = [
            row.protocol.to_string(),
            row.state_word().to_owned(),
            row.recv_q.to_string(),
            row.send_q.to_string(),
            row.local_text(),
            row.peer_text(),
            timer,
        ];
        out.push_str("<tr>");
        for cell in cells {
            // A line of a socket table is read along, so nothing in it breaks.
            out.push_str(&format!("<td style=\"white-space:nowrap\">{}</td>", escape::xml(&cell)));
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table>");
    if more > 0 {
        out.push_str(&format!("<p>… and {more} more</p>"));
    }
    out
}
