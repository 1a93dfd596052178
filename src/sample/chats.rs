//! The live chat of the seed: each policy says in how many minutes a chat is due.

use chrono::TimeDelta;
use chrono_tz::America;
use serde_json::json;

use super::history::{Step, Story};
use super::random::{Random, key};
use super::slas::Version;
use super::world::{Person, World, tenant};
use crate::clock::events::Status;
use crate::clock::waiting::WaitTerms;

/// Adds the tenant, its policies, a month of chats, and two that nobody has taken yet.
pub(super) fn add(world: &mut World) {
    let chat = tenant("rocketchat", "rocketchat", "2023-03-24T14:30:00Z", America::Sao_Paulo);
    let roles = world.root(chat, "Rocket.Chat Support");
    let manager = world.user(chat, 1, "Bianca", "Moraes", "manager@rocketchat.example.com", (None, None));
    world.grant(chat, roles.manager, &manager);
    let agent = world.user(chat, 2, "Diego", "Farias", "agent@rocketchat.example.com", (None, None));
    world.grant(chat, roles.agent, &agent);
    let visitors: Vec<Person> = [(10, "Guest", "Amber"), (11, "Guest", "Cobalt"), (12, "Guest", "Jade")]
        .map(|(number, first, last)| world.person(chat, number, first, last, (None, None)))
        .into();

    // The number in the seed's id begins with the second in which the policy was made.
    let policies = [
        ("641db89a7718f90c810429cc", "Optimum", "OPtimum SLA", 4),
        ("641db9d17718f90c810429d3", "grand", "sla description", 15),
        ("641dba107718f90c810429da", "Relaxed", "For questions that can wait", 60),
        ("641dba5c7718f90c810429e1", "Instant", "For paying customers", 1),
    ];
    let mut random = Random::new(0x7263);
    let mut optimum = None;
    for (index, (foreign, name, description, due_time_in_minutes)) in (0_u32..).zip(policies) {
        let seconds = i64::from_str_radix(&foreign[..8], 16).unwrap_or_default();
        let at = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        let id = key(at, &format!("rocketchat/policy/{foreign}"));
        let terms = json!({ "due_time_in_minutes": due_time_in_minutes });
        let version =
            Version { key: None, at, by: Some(manager.id), name: "Version 1", description: None, terms };
        let columns = json!({
            "description": description, "livechat_due_minutes": due_time_in_minutes,
            "source": "rocketchat", "source_id": foreign,
        });
        let version = world.sla(chat, (id, "livechat", name), columns, vec![version]);
        let terms = WaitTerms::Livechat { due_time_in_minutes };
        for number in 0..35 {
            let queued_at = world.now - TimeDelta::milliseconds(random.below(30 * 86_400_000) as i64);
            let mut steps = vec![Step::status(queued_at, Status::Assigned)];
            let due = TimeDelta::minutes(i64::from(due_time_in_minutes));
            let taken_at = queued_at + TimeDelta::seconds(3) + random.wait(due * 2 / 5);
            if random.percent(8) {
                steps.push(Step::status(taken_at, Status::Declined));
            } else {
                steps.push(Step::status(taken_at, Status::InProgress));
                let done_at = taken_at + random.wait(TimeDelta::minutes(7));
                steps.push(Step::status(done_at, Status::Completed));
            }
            let subject =
                *random.pick(&["Chat from the shop", "Chat from the help page", "Chat from the app"]);
            let requester = random.pick(&visitors);
            let number = 1_000 * (index + 1) + number;
            let story =
                Story { tenant: chat, number, channel: "chat", subject, requester, sla: Some(id), steps };
            world.waiting(story, (id, version), terms);
        }
        optimum.get_or_insert((id, version, terms));
    }
    if let Some((id, version, terms)) = optimum {
        world.defaults.push((chat.root, chat.id, id));
        for (number, waited) in [(9_001, 100), (9_002, 15)] {
            let steps = vec![Step::status(world.now - TimeDelta::seconds(waited), Status::Assigned)];
            let subject = "Is anybody there?";
            let requester = &visitors[0];
            let story =
                Story { tenant: chat, number, channel: "chat", subject, requester, sla: Some(id), steps };
            world.waiting(story, (id, version), terms);
        }
    }
}
