//! THE table: RFC 9293, figure 5 with its notes, row by row, and the few lines that apply it.

use std::fmt;

use super::State::{
    self, CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynReceived, SynSent, TimeWait,
};

/// What moves a connection: a call of the local user, a segment from the peer, or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The user listens: listen(2).
    PassiveOpen,
    /// The user connects: connect(2).
    ActiveOpen,
    /// The user sends on a listening connection; no socket API offers it.
    Send,
    /// The user closes, or shuts down sending: close(2), shutdown(2).
    Close,
    /// The user aborts: close(2) with a zero `SO_LINGER`, or with unread data.
    Abort,
    /// A SYN arrives.
    Syn,
    /// A SYN arrives that acknowledges our SYN.
    SynAck,
    /// Our SYN is acknowledged.
    AckOfSyn,
    /// A FIN arrives.
    Fin,
    /// Our FIN is acknowledged.
    AckOfFin,
    /// A FIN arrives that acknowledges our FIN.
    FinAckOfFin,
    /// A RST arrives.
    Rst,
    /// Two maximum segment lifetimes have passed.
    Timeout,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::PassiveOpen => "passive OPEN",
            Self::ActiveOpen => "active OPEN",
            Self::Send => "SEND",
            Self::Close => "CLOSE",
            Self::Abort => "ABORT",
            Self::Syn => "rcv SYN",
            Self::SynAck => "rcv SYN,ACK",
            Self::AckOfSyn => "rcv ACK of SYN",
            Self::Fin => "rcv FIN",
            Self::AckOfFin => "rcv ACK of FIN",
            Self::FinAckOfFin => "rcv FIN,ACK of FIN",
            Self::Rst => "rcv RST",
            Self::Timeout => "timeout 2MSL",
        })
    }
}

/// What the connection does as it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// A connection record (TCB) comes into being.
    CreateTcb,
    /// The same, and a SYN goes out.
    CreateTcbSendSyn,
    /// The connection record goes.
    DeleteTcb,
    /// A SYN goes out.
    SendSyn,
    /// A SYN with an acknowledgment goes out.
    SendSynAck,
    /// An acknowledgment goes out.
    SendAck,
    /// A FIN goes out.
    SendFin,
    /// A RST goes out, and the connection record goes.
    SendRst,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Nothing => "",
            Self::CreateTcb => "create TCB",
            Self::CreateTcbSendSyn => "create TCB, snd SYN",
            Self::DeleteTcb => "delete TCB",
            Self::SendSyn => "snd SYN",
            Self::SendSynAck => "snd SYN,ACK",
            Self::SendAck => "snd ACK",
            Self::SendFin => "snd FIN",
            Self::SendRst => "snd RST",
        })
    }
}

/// How a connection was opened. Only a RST in SYN-RECEIVED asks (note 1 of figure 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Open {
    /// By waiting for the peer.
    Passive,
    /// By calling the peer.
    Active,
}

/// Where RFC 9293 says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// An arrow of figure 5, or of its note 2: drawn.
    Figure,
    /// The text of sections 3.10.5 and 3.10.7 (note 3 of figure 5): left out of drawings, as there.
    Text,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// What happens.
    pub event: Event,
    /// The row holds only for connections opened so; `None`: for any.
    pub opened: Option<Open>,
    /// What is done about it.
    pub action: Action,
    /// The state after.
    pub to: State,
    /// Where it comes from.
    pub source: Source,
}

const fn figure(from: State, event: Event, action: Action, to: State) -> Transition {
    Transition { from, event, opened: None, action, to, source: Source::Figure }
}

const fn text(from: State, event: Event, action: Action, to: State) -> Transition {
    Transition { from, event, opened: None, action, to, source: Source::Text }
}

const fn only(opened: Open, row: Transition) -> Transition {
    Transition { opened: Some(opened), ..row }
}

/// Every transition there is.
#[rustfmt::skip]
pub const TRANSITIONS: &[Transition] = &[
    figure(Closed,      Event::PassiveOpen, Action::CreateTcb,        Listen),
    figure(Closed,      Event::ActiveOpen,  Action::CreateTcbSendSyn, SynSent),
    figure(Listen,      Event::Syn,         Action::SendSynAck,       SynReceived),
    figure(Listen,      Event::Send,        Action::SendSyn,          SynSent),
    figure(Listen,      Event::Close,       Action::DeleteTcb,        Closed),
    figure(SynSent,     Event::SynAck,      Action::SendAck,          Established),
    figure(SynSent,     Event::Syn,         Action::SendSynAck,       SynReceived),
    figure(SynSent,     Event::Close,       Action::DeleteTcb,        Closed),
    figure(SynReceived, Event::AckOfSyn,    Action::Nothing,          Established),
    figure(SynReceived, Event::Close,       Action::SendFin,          FinWait1),
    only(Open::Passive,
    figure(SynReceived, Event::Rst,         Action::Nothing,          Listen)),
    figure(Established, Event::Close,       Action::SendFin,          FinWait1),
    figure(Established, Event::Fin,         Action::SendAck,          CloseWait),
    figure(FinWait1,    Event::AckOfFin,    Action::Nothing,          FinWait2),
    figure(FinWait1,    Event::Fin,         Action::SendAck,          Closing),
    figure(FinWait1,    Event::FinAckOfFin, Action::SendAck,          TimeWait),
    figure(FinWait2,    Event::Fin,         Action::SendAck,          TimeWait),
    figure(CloseWait,   Event::Close,       Action::SendFin,          LastAck),
    figure(Closing,     Event::AckOfFin,    Action::Nothing,          TimeWait),
    figure(LastAck,     Event::AckOfFin,    Action::Nothing,          Closed),
    figure(TimeWait,    Event::Timeout,     Action::DeleteTcb,        Closed),

    text(SynSent,       Event::Rst,         Action::DeleteTcb,        Closed),
    only(Open::Active,
    text(SynReceived,   Event::Rst,         Action::DeleteTcb,        Closed)),
    text(Established,   Event::Rst,         Action::DeleteTcb,        Closed),
    text(FinWait1,      Event::Rst,         Action::DeleteTcb,        Closed),
    text(FinWait2,      Event::Rst,         Action::DeleteTcb,        Closed),
    text(CloseWait,     Event::Rst,         Action::DeleteTcb,        Closed),
    text(Closing,       Event::Rst,         Action::DeleteTcb,        Closed),
    text(LastAck,       Event::Rst,         Action::DeleteTcb,        Closed),
    text(TimeWait,      Event::Rst,         Action::DeleteTcb,        Closed),
    text(Listen,        Event::Abort,       Action::DeleteTcb,        Closed),
    text(SynSent,       Event::Abort,       Action::DeleteTcb,        Closed),
    text(SynReceived,   Event::Abort,       Action::SendRst,          Closed),
    text(Established,   Event::Abort,       Action::SendRst,          Closed),
    text(FinWait1,      Event::Abort,       Action::SendRst,          Closed),
    text(FinWait2,      Event::Abort,       Action::SendRst,          Closed),
    text(CloseWait,     Event::Abort,       Action::SendRst,          Closed),
    text(Closing,       Event::Abort,       Action::DeleteTcb,        Closed),
    text(LastAck,       Event::Abort,       Action::DeleteTcb,        Closed),
    text(TimeWait,      Event::Abort,       Action::DeleteTcb,        Closed),
];

/// The arrows of the picture: the rows of figure 5.
pub fn drawn() -> impl Iterator<Item = &'static Transition> {
    TRANSITIONS.iter().filter(|row| row.source == Source::Figure)
}

/// One end of a connection, moved by the table alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Where it is.
    pub state: State,
    opened: Open,
}

impl Default for Connection {
    fn default() -> Self {
        Self { state: Closed, opened: Open::Active }
    }
}

impl Connection {
    /// Moves by `event` and gives the row that did it; `None`, and no move, where the table has none.
    pub fn apply(&mut self, event: Event) -> Option<&'static Transition> {
        let holds = |row: &&Transition| {
            row.from == self.state && row.event == event && row.opened.is_none_or(|opened| opened == self.opened)
        };
        let row = TRANSITIONS.iter().find(holds)?;
        match event {
            Event::PassiveOpen => self.opened = Open::Passive,
            Event::ActiveOpen | Event::Send => self.opened = Open::Active,
            _ => {}
        }
        self.state = row.to;
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(events: &[Event]) -> Vec<State> {
        let mut connection = Connection::default();
        events.iter().map(|event| connection.apply(*event).expect("a row of the table").to).collect()
    }

    #[test]
    fn the_active_closer_ends_in_time_wait() {
        let states =
            walk(&[Event::ActiveOpen, Event::SynAck, Event::Close, Event::AckOfFin, Event::Fin, Event::Timeout]);
        assert_eq!(states, [SynSent, Established, FinWait1, FinWait2, TimeWait, Closed]);
    }

    #[test]
    fn the_passive_closer_ends_in_last_ack() {
        let states =
            walk(&[Event::PassiveOpen, Event::Syn, Event::AckOfSyn, Event::Fin, Event::Close, Event::AckOfFin]);
        assert_eq!(states, [Listen, SynReceived, Established, CloseWait, LastAck, Closed]);
    }

    #[test]
    fn both_closing_at_once_meet_in_closing() {
        let states = walk(&[Event::ActiveOpen, Event::SynAck, Event::Close, Event::Fin, Event::AckOfFin]);
        assert_eq!(states, [SynSent, Established, FinWait1, Closing, TimeWait]);
    }

    #[test]
    fn a_reset_in_syn_received_remembers_how_it_was_opened() {
        assert_eq!(walk(&[Event::PassiveOpen, Event::Syn, Event::Rst]).last(), Some(&Listen));
        assert_eq!(walk(&[Event::ActiveOpen, Event::Syn, Event::Rst]).last(), Some(&Closed));
        assert_eq!(walk(&[Event::PassiveOpen, Event::Send, Event::Syn, Event::Rst]).last(), Some(&Closed));
    }

    #[test]
    fn what_the_table_does_not_have_moves_nothing() {
        let mut connection = Connection::default();
        assert_eq!(connection.apply(Event::Fin), None);
        assert_eq!(connection, Connection::default());
    }

    #[test]
    fn a_state_and_an_event_have_one_answer() {
        for (index, row) in TRANSITIONS.iter().enumerate() {
            for other in &TRANSITIONS[index + 1..] {
                let same = row.from == other.from && row.event == other.event;
                let apart = matches!((row.opened, other.opened), (Some(one), Some(two)) if one != two);
                assert!(!same || apart, "{row:?} and {other:?}");
            }
        }
    }

    #[test]
    fn every_state_is_reached_and_left() {
        for state in State::ALL {
            assert!(drawn().any(|row| row.to == state), "{state} is never reached");
            assert!(drawn().any(|row| row.from == state), "{state} is never left");
        }
        assert_eq!(drawn().count(), 21);
    }

    #[test]
    fn a_reset_ends_every_state_that_has_a_peer() {
        for state in State::ALL.into_iter().filter(|state| !matches!(state, Closed | Listen)) {
            for opened in [Open::Active, Open::Passive] {
                let mut connection = Connection { state, opened };
                let to = connection.apply(Event::Rst).map(|row| row.to);
                assert!(matches!(to, Some(Closed | Listen)), "{state} after a RST: {to:?}");
            }
        }
    }
}
