//! Rows in columns, as ss(8) prints them.

use super::row::Row;

/// Which columns, beside the queues and addresses that are always there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The line of headings.
    pub header: bool,
    /// The protocol.
    pub protocol: bool,
    /// The state.
    pub state: bool,
    /// The timer (`-o`).
    pub timer: bool,
    /// User, inode and cookie (`-e`).
    pub extended: bool,
}

/// One line a row, each ended by a newline. Addresses are lined up at the colon before the port.
pub fn columns<'a>(rows: impl IntoIterator<Item = &'a Row>, shown: Columns) -> String {
    let mut table: Vec<Vec<String>> = Vec::new();
    if shown.header {
        let words = ["Netid", "State", "Recv-Q", "Send-Q", "Local Address", ":Port", "Peer Address", ":Port", "", ""];
        table.push(words.map(str::to_owned).to_vec());
    }
    table.extend(rows.into_iter().map(|row| cells(row, shown)));
    let keep = [shown.protocol, shown.state, true, true, true, true, true, true, shown.timer, shown.extended];
    let mut widths = [0; 10];
    for line in &table {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for line in &table {
        let mut out = String::new();
        for (index, cell) in line.iter().enumerate().filter(|(index, _)| keep[*index]) {
            // A port follows its host at once.
            let gap = if out.is_empty() || matches!(index, 5 | 7) { "" } else { "  " };
            let padding = " ".repeat(widths[index] - cell.chars().count());
            let right = matches!(index, 4 | 6);
            let (before, after) = if right { (padding.as_str(), "") } else { ("", padding.as_str()) };
            for piece in [gap, before, cell, after] {
                out.push_str(piece);
            }
        }
        text.push_str(out.trim_end());
        text.push('\n');
    }
    text
}

fn cells(row: &Row, shown: Columns) -> Vec<String> {
    let (local, local_port) = apart(row.local_text());
    let (peer, peer_port) = apart(row.peer_text());
    let timer = row.timer.filter(|_| shown.timer).map(|timer| timer.to_string()).unwrap_or_default();
    let mut extended = String::new();
    if shown.extended {
        let user = if row.uid == 0 { String::new() } else { format!("uid:{} ", row.uid) };
        extended = format!("{user}ino:{} sk:{:x}", row.inode, row.cookie);
    }
    vec![
        row.protocol.to_string(),
        row.state_word().to_owned(),
        row.recv_q.to_string(),
        row.send_q.to_string(),
        local,
        local_port,
        peer,
        peer_port,
        timer,
        extended,
    ]
}

/// Host, and port with its colon.
fn apart(mut endpoint: String) -> (String, String) {
    let port = endpoint.rfind(':').map(|colon| endpoint.split_off(colon)).unwrap_or_default();
    (endpoint, port)
}
