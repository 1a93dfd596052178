//! Tickets made up: weeks of ordinary work, and those whose targets fall due while somebody watches.

use chrono::{DateTime, Datelike, TimeDelta, Utc, Weekday};

use super::history::{Step, Story};
use super::random::Random;
use super::world::{Instance, Person, Tenant, World};
use crate::clock::events::Status;
use crate::clock::targets::Impact;

/// What goes wrong with one service instance, for whom, and how fast it is mended.
pub(super) struct Scene<'a> {
    pub(super) tenant: Tenant,
    pub(super) instance: Instance,
    pub(super) requesters: &'a [&'a Person],
    pub(super) subjects: &'a [&'a str],
    /// The mean minutes until work begins, and from then until it is done.
    pub(super) mean: (i64, i64),
}

/// Adds tickets of the past sixty days, each of a scene picked by chance; numbers count up from `first`.
pub(super) fn past(world: &mut World, random: &mut Random, scenes: &[Scene<'_>], first: u32, count: u32) {
    for number in first..first + count {
        let scene = random.pick(scenes);
        let registered_at = working_time(world.now, scene.tenant, random);
        let steps = steps(scene, registered_at, random);
        let requester = *random.pick(scene.requesters);
        let subject = random.pick(scene.subjects);
        world.ticket(Story {
            tenant: scene.tenant,
            number,
            channel: "ticket",
            subject,
            requester,
            sla: None,
            steps,
        });
    }
}

/// Adds an open ticket that was registered so long ago that `minutes` of it are used up in `due` from now.
pub(super) fn live(
    world: &mut World,
    scene: &Scene<'_>,
    (number, subject): (u32, &str),
    impact: Impact,
    (minutes, due): (i64, TimeDelta),
    taken: bool,
) {
    let registered_at = world.now + due - TimeDelta::minutes(minutes);
    let mut steps = vec![registered(scene, registered_at, impact)];
    if impact == Impact::Low {
        // Nobody is in a hurry, and says so.
        steps[0].desired_completion_at = Some(registered_at + TimeDelta::days(9));
    }
    if taken {
        steps.push(Step::status(registered_at + TimeDelta::minutes(3), Status::InProgress));
    }
    let requester = scene.requesters[number as usize % scene.requesters.len()];
    world.ticket(Story {
        tenant: scene.tenant,
        number,
        channel: "ticket",
        subject,
        requester,
        sla: None,
        steps,
    });
}

fn registered(scene: &Scene<'_>, at: DateTime<Utc>, impact: Impact) -> Step {
    Step {
        at,
        status: Some(Status::Assigned),
        impact: Some(impact),
        instance: Some(scene.instance.id),
        team: scene.instance.first_line_team.or(scene.instance.support_team),
        ..Step::default()
    }
}

/// Mostly in the day and in the week.
fn working_time(now: DateTime<Utc>, tenant: Tenant, random: &mut Random) -> DateTime<Utc> {
    loop {
        let at = now - TimeDelta::milliseconds(random.below(60 * 86_400_000) as i64);
        let local = at.with_timezone(&tenant.zone);
        let weekend = matches!(local.weekday(), Weekday::Sat | Weekday::Sun);
        let night = !(7..19).contains(&chrono::Timelike::hour(&local));
        if random.percent(if weekend || night { 12 } else { 100 }) {
            return at;
        }
    }
}

fn steps(scene: &Scene<'_>, registered_at: DateTime<Utc>, random: &mut Random) -> Vec<Step> {
    let impact = match random.below(100) {
        0..45 => Impact::Low,
        45..78 => Impact::Medium,
        78..94 => Impact::High,
        _ => Impact::Top,
    };
    // What hurts more is done sooner.
    let hurry = match impact {
        Impact::Low => 8,
        Impact::Medium => 4,
        Impact::High => 3,
        Impact::Top => 2,
    };
    let (response, resolution) = scene.mean;
    let mean = |minutes: i64| TimeDelta::minutes(minutes * hurry / 4);
    let mut steps = vec![registered(scene, registered_at, impact)];
    if impact == Impact::Top {
        steps[0].downtime.0 =
            Some(registered_at - TimeDelta::minutes(2) - random.wait(TimeDelta::minutes(8)));
    }
    if impact == Impact::Low && random.percent(15) {
        steps[0].desired_completion_at = Some(registered_at + TimeDelta::days(4 + random.below(6) as i64));
    }
    let mut at = registered_at + TimeDelta::seconds(20) + random.wait(mean(response));
    if random.percent(40) {
        // Handed on from the first line, still before anybody works on it.
        let step =
            Step { at, team: scene.instance.support_team, status: Some(Status::Accepted), ..Step::default() };
        steps.push(step);
        at += random.wait(mean(response) / 2);
    }
    steps.push(Step::status(at, Status::InProgress));
    if random.percent(6) && impact != Impact::Top {
        at += random.wait(mean(response));
        steps.push(Step { at, impact: Some(Impact::High), ..Step::default() });
    }
    if random.percent(24) {
        at += random.wait(mean(resolution) / 3);
        steps.push(Step::status(at, Status::WaitingForCustomer));
        at += random.wait(TimeDelta::hours(9));
        steps.push(Step::status(at, Status::InProgress));
    }
    if random.percent(5) {
        at += random.wait(mean(resolution) / 4);
        steps.push(Step { at, provider_not_accountable: Some(true), ..Step::default() });
        at += random.wait(TimeDelta::hours(3));
        steps.push(Step { at, provider_not_accountable: Some(false), ..Step::default() });
    }
    at += TimeDelta::seconds(45) + random.wait(mean(resolution));
    let completed = |at: DateTime<Utc>| Step {
        at,
        status: Some(Status::Completed),
        downtime: (None, (impact == Impact::Top).then(|| at - TimeDelta::seconds(90))),
        ..Step::default()
    };
    steps.push(completed(at));
    if random.percent(4) {
        at += random.wait(TimeDelta::hours(5));
        steps.push(Step::status(at, Status::InProgress));
        at += random.wait(mean(resolution) / 2);
        steps.push(completed(at));
    }
    steps
}
