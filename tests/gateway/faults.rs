//! Faults: whatever dies, each due deadline has exactly one record, and a wallboard that resumes sees each exactly
//! once, in order (rules B1 to B3). By the real program and a durable Postgres, in minutes: `make faults`.
//!
//! | what is done | what must hold besides |
//! |---|---|
//! | the only replica is killed (`kill -9`) while it records, 50 times | |
//! | one of three replicas is killed while they record, 30 times | |
//! | Postgres is crashed and started again, 10 times, while 100 000 deadlines fall due for three replicas | no replica ends |
//! | a replica is frozen for seconds, 3 times | the others record meanwhile |
//! | all replicas have clocks that are an hour off | nothing is recorded early, or late |
//! | connections are cut, the one that listens above all, 40 times | |
//! | a subscriber stops reading | it is told how to resume, and nobody waits for it |
//! | 10 000 deadlines fall due within one second | |

#![expect(clippy::print_stdout, reason = "figures are for whoever asked for them")]

mod board;
mod stage;

use std::fmt::Write;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::board::Board;
use self::stage::{Figures, Stage, chance};

/// What makes a message long without a statement.
const WIDE: &str =
    "uuid id kind phase targetAt detectedAt a: id b: id c: id d: id e: id f: id g: id h: id i: id j: id";

/// What is told of one fault: a row of the table that `make faults` ends with.
async fn tell(fault: &str, times: u32, stage: &Stage, board: Board, due: i64, begun: Instant) {
    stage.settled(due).await;
    let seen = board.leave(due).await;
    let Figures { recorded, lost, twice, early, late } = stage.figures(due).await;
    let told = seen.compared(&stage.log().await);
    let took = begun.elapsed().as_secs();
    let mut row = format!("| {fault} | {times} | {due} | {recorded} | {lost} | {twice} | {early} | {late} ");
    write!(
        row,
        "| {} | {} | {} | {} | {} | {took} s |",
        told.seen, told.lost, told.twice, told.disorder, seen.resumed
    )
    .unwrap();
    println!("{row}");
    stage::keep(&row);
    assert_eq!((lost, twice, early), (0, 0, 0), "each due deadline has exactly one record, after its time");
    assert_eq!((told.lost, told.twice, told.disorder), (0, 0, 0), "the board has seen each once, in order");
    stage.is_whole(due).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a longer run: make faults"]
async fn b1_the_only_replica_is_killed_while_it_records() {
    let (mut stage, begun) = (Stage::open().await, Instant::now());
    let mut replica = stage.replica(None);
    let board = Board::open(&stage, &[replica.port]);
    let (kills, round) = (50, 2_000);
    let mut within = 0;
    for _ in 0..kills {
        stage.due(round, "clock_timestamp() - random() * interval '1 hour'").await;
        stage.moves().await;
        sleep(Duration::from_millis(chance(40))).await;
        replica.kill();
        within += u32::from(stage.open_work().await);
        replica = stage.replica(Some(replica.port));
    }
    let what = format!("the only replica killed (within its work: {within})");
    tell(&what, kills, &stage, board, i64::from(kills) * i64::from(round), begun).await;
    assert!(within >= kills * 9 / 10, "of {kills} kills only {within} met work");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a longer run: make faults"]
async fn b1_one_of_three_replicas_is_killed_while_they_record() {
    let (mut stage, begun) = (Stage::open().await, Instant::now());
    let mut replicas: Vec<_> = (0..3).map(|_| stage.replica(None)).collect();
    let board = Board::open(&stage, &replicas.iter().map(|replica| replica.port).collect::<Vec<_>>());
    let (kills, round) = (30, 2_000);
    for nth in 0..kills {
        stage.due(round, "clock_timestamp() + random() * interval '500 milliseconds'").await;
        stage.moves().await;
        sleep(Duration::from_millis(chance(200))).await;
        let victim = nth as usize % replicas.len();
        replicas[victim].kill();
        replicas[victim] = stage.replica(Some(replicas[victim].port));
    }
    tell("one of three replicas killed", kills, &stage, board, i64::from(kills) * i64::from(round), begun)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a longer run: make faults"]
async fn b1_postgres_crashes_while_a_hundred_thousand_deadlines_fall_due() {
    let (mut stage, begun) = (Stage::open().await, Instant::now());
    let mut replicas: Vec<_> = (0..3).map(|_| stage.replica(None)).collect();
    let board = Board::open(&stage, &replicas.iter().map(|replica| replica.port).collect::<Vec<_>>());
    let (crashes, round) = (10, 10_000);
    for nth in 0..crashes {
        // Of each crash its own: however long the one before took, something falls due.
        let soon = "clock_timestamp() + interval '1 second' + random() * interval '8 seconds'";
        stage.due(round, soon).await;
        stage.moves().await;
        sleep(Duration::from_millis(2_000 + chance(3_000))).await;
        // By turns the whole server, as when the machine goes, and one backend, which takes all others with it.
        if nth % 2 == 0 { stage.crash().await } else { stage.crash_a_backend().await }
    }
    assert!(replicas.iter_mut().all(stage::Replica::is_alive), "an outage of Postgres ended a replica");
    let due = i64::from(crashes) * i64::from(round);
    tell("Postgres crashed, three replicas", crashes, &stage, board, due, begun).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a longer run: make faults"]
async fn b1_a_replica_is_frozen_while_others_record() {
    let (mut stage, begun) = (Stage::open().await, Instant::now());
    let replicas: Vec<_> = (0..3).map(|_| stage.replica(None)).collect();
    let board = Board::open(&stage, &replicas.iter().map(|replica| replica.port).collect::<Vec<_>>());
    stage.due(10_000, "clock_timestamp() + interval '4 seconds' + random() * interval '20 seconds'").await;
    stage.moves().await;
    for replica in &replicas {
        replica.signal("-STOP");
        sleep(Duration::from_secs(5)).await;
        replica.signal("-CONT");
        sleep(Duration::from_millis(500)).await;
    }
    tell("a replica frozen for 5 s", 3, &stage, board, 10_000, begun).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a longer run: make faults"]
async fn x13_replicas_whose_clocks_are_an_hour_off_record_by_the_clock_of_the_database() {
    for (clocks, what) in [
        (vec!["+1h"], "the only clock an hour ahead"),
        (vec!["-1h"], "the only clock an hour behind"),
        (vec!["+1h", "-1h", "+0"], "clocks an hour ahead, behind, and right"),
    ] {
        let (mut stage, begun) = (Stage::open().await, Instant::now());
        let replicas: Vec<_> = clocks.iter().map(|clock| stage.replica_with_clock(clock)).collect();
        let board = Board::open(&stage, &replicas.iter().map(|replica| replica.port).collect::<Vec<_>>());
        for replica in &replicas {
            replica.serves().await;
        }
        stage.due(5_000, "clock_timestamp() + interval '1 second' + random() * interval '9 seconds'").await;
        stage.settled(5_000).await;
        let figures = stage.figures(5_000).await;
        tell(what, u32::try_from(clocks.len()).unwrap(), &stage, board, 5_000, begun).await;
        assert!(figures.late.max < 3_000, "{figures:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a longer run: make faults"]
async fn b3_connections_are_cut_while_records_are_written() {
    let (mut stage, begun) = (Stage::open().await, Instant::now());
    let replicas: Vec<_> = (0..2).map(|_| stage.replica(None)).collect();
    let board = Board::open(&stage, &replicas.iter().map(|replica| replica.port).collect::<Vec<_>>());
    stage.due(20_000, "clock_timestamp() + interval '4 seconds' + random() * interval '20 seconds'").await;
    stage.moves().await;
    let mut cut = 0;
    for nth in 0..40 {
        // The one that listens waits, idle, after it has read the log.
        let which = if nth % 4 == 3 { "true" } else { "query LIKE '%breach_log_head h LEFT JOIN%'" };
        cut += stage.cut(which).await;
        sleep(Duration::from_millis(200 + chance(200))).await;
    }
    assert!(cut >= 40, "only {cut} connections were there to be cut");
    tell(&format!("connections cut ({cut})"), 40, &stage, board, 20_000, begun).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a longer run: make faults"]
async fn b3_a_subscriber_that_stops_reading_is_cut_off_resumes_and_delays_nobody() {
    let (mut stage, begun) = (Stage::open().await, Instant::now());
    let replica = stage.replica(None);
    let board = Board::open(&stage, &[replica.port]);
    let mut stuck = board::Socket::small(&stage, replica.port).await;
    stuck.subscribe(WIDE, "0").await;
    stage.due(30_000, "clock_timestamp() + random() * interval '10 seconds'").await;
    stage.settled(30_000).await;
    board.has_seen(30_000).await;
    // It must be cut off within ten seconds of the moment at which nothing more could be sent.
    sleep(Duration::from_secs(15)).await;
    let (mut seen, closed) = stuck.read_to_the_end().await;
    // Where not even a close frame found room, the end itself is what clients come back after.
    assert!(closed.as_ref().is_none_or(|(code, _)| *code == 1013), "{closed:?}");
    assert!(seen.len() < 30_000, "all of it fitted into the buffers of the system: nothing was shown");
    let mut resumed = board::Socket::open(&stage, replica.port).await;
    resumed.subscribe(WIDE, &seen.cursor).await;
    resumed.read(&mut seen, 30_000).await;
    let told = seen.compared(&stage.log().await);
    assert_eq!(
        (told.seen, told.lost, told.twice, told.disorder),
        (30_000, 0, 0, 0),
        "the one that was cut off"
    );
    tell("a subscriber that stops reading", 1, &stage, board, 30_000, begun).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a longer run: make faults"]
async fn b1_ten_thousand_deadlines_fall_due_within_one_second() {
    let (mut stage, begun) = (Stage::open().await, Instant::now());
    let replicas: Vec<_> = (0..3).map(|_| stage.replica(None)).collect();
    let board = Board::open(&stage, &replicas.iter().map(|replica| replica.port).collect::<Vec<_>>());
    for replica in &replicas {
        replica.serves().await;
    }
    stage.due(10_000, "clock_timestamp() + interval '5 seconds' + random() * interval '1 second'").await;
    tell("10 000 due within a second", 1, &stage, board, 10_000, begun).await;
}
