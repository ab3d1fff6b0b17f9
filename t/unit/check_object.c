/* check_object.c -- one object: deeds before words, one at a time, resets that leave nobody waiting. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "fake_engine.h"

static struct scene s;

static void
ck_reply(const struct reply *r, const char *text)
{
	ck_assert_uint_eq(r->came, 1);
	ck_assert_str_eq(r->text, text);
	ck_assert(!r->failed);
}

static void
ck_failure(const struct reply *r, const char *text)
{
	ck_assert_uint_eq(r->came, 1);
	ck_assert(r->failed);
	ck_assert_str_eq(r->text, text);
}

START_TEST(reply_waits_for_the_commit_it_saw)
{
	struct reply r;

	scene_open(&s, 1, false);
	scene_send(&s, &r, "a", "inc", "");
	scene_tick(&s);
	ck_assert_uint_eq(r.came, 0);
	ck_assert_uint_eq(fake_store_commits(s.store), 1);
	ck_assert_uint_eq(fake_store_wanted(s.store), 1);
	fake_store_sync(s.store);
	ck_assert_uint_eq(s.wakes[0], 1);
	scene_tick(&s);
	ck_reply(&r, "1");
	scene_close(&s);
}
END_TEST

START_TEST(an_error_waits_for_the_disk_like_a_result)
{
	struct reply r;

	scene_open(&s, 1, false);
	scene_send(&s, &r, "a", "inc+raise", "");
	scene_tick(&s);
	ck_assert_uint_eq(r.came, 0);
	fake_store_sync(s.store);
	scene_tick(&s);
	ck_failure(&r, "boom");
	scene_send(&s, &r, "a", "get", "");
	scene_tick(&s);
	ck_reply(&r, "1");		/* a handler that raises keeps its writes */
	scene_close(&s);
}
END_TEST

START_TEST(a_reader_waits_for_the_undurable_commit_it_saw)
{
	struct reply w, r;

	scene_open(&s, 1, false);
	scene_send(&s, &w, "a", "inc", "");
	scene_tick(&s);
	scene_send(&s, &r, "a", "get", "");
	scene_tick(&s);
	ck_assert_uint_eq(w.came + r.came, 0);
	fake_store_sync(s.store);
	scene_tick(&s);
	ck_reply(&w, "1");
	ck_reply(&r, "1");
	ck_assert_uint_lt(w.order, r.order);
	ck_assert_uint_eq(fake_store_commits(s.store), 1);
	scene_close(&s);
}
END_TEST

START_TEST(a_reader_does_not_overtake_a_word_that_is_about_to_leave)
{
	struct reply w, r;

	scene_open(&s, 1, false);
	scene_send(&s, &w, "a", "inc", "");
	scene_tick(&s);
	fake_store_sync(s.store);
	scene_send(&s, &r, "a", "get", "");
	scene_tick(&s);
	ck_reply(&w, "1");
	ck_reply(&r, "1");
	ck_assert_uint_lt(w.order, r.order);
	scene_close(&s);
}
END_TEST

START_TEST(a_reader_of_durable_state_does_not_wait)
{
	struct reply r, other;

	scene_open(&s, 1, false);
	scene_send(&s, &r, "a", "get", "");
	scene_send(&s, &other, "b", "inc", "");
	scene_tick(&s);
	ck_reply(&r, "0");
	ck_assert_uint_eq(other.came, 0);	/* another object's disk is not ours */
	scene_close(&s);
	ck_reply(&other, "1");
}
END_TEST

START_TEST(words_leave_in_order_even_when_a_later_one_could_go)
{
	struct reply r[3];

	scene_open(&s, 1, false);
	scene_send(&s, &r[0], "a", "inc", "");
	scene_tick(&s);
	scene_send(&s, &r[1], "a", "inc", "");
	scene_tick(&s);
	scene_send(&s, &r[2], "a", "get", "");
	scene_tick(&s);
	fake_store_sync_to(s.store, 1);
	scene_tick(&s);
	ck_reply(&r[0], "1");
	ck_assert_uint_eq(r[1].came + r[2].came, 0);
	ck_assert_uint_eq(s.wakes[0], 1);
	fake_store_sync(s.store);
	ck_assert_uint_eq(s.wakes[0], 2);	/* those left behind had wished again */
	scene_tick(&s);
	ck_reply(&r[1], "2");
	ck_reply(&r[2], "2");
	ck_assert_uint_lt(r[1].order, r[2].order);
	scene_close(&s);
}
END_TEST

START_TEST(twenty_events_in_one_tick_commit_once)
{
	struct reply r[20];
	char text[8];

	scene_open(&s, 1, false);
	for (int i = 0; i < 20; i++)
		scene_send(&s, &r[i], "a", "inc", "");
	scene_tick(&s);
	ck_assert_uint_eq(fake_store_commits(s.store), 1);
	fake_store_sync(s.store);
	scene_tick(&s);
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "%d", i + 1);
		ck_reply(&r[i], text);
		ck_assert_uint_eq(r[i].order, i + 1);
	}
	scene_close(&s);
}
END_TEST

START_TEST(a_yield_ends_the_transaction)
{
	struct reply r;

	scene_open(&s, 1, false);
	scene_send(&s, &r, "a", "yield", "");
	scene_tick(&s);
	ck_assert_uint_eq(fake_store_commits(s.store), 2);
	fake_store_sync_to(s.store, 1);
	scene_tick(&s);
	ck_assert_uint_eq(r.came, 0);
	fake_store_sync(s.store);
	scene_tick(&s);
	ck_reply(&r, "11");
	scene_close(&s);
}
END_TEST

START_TEST(events_wait_for_the_constructor_and_come_in_order)
{
	struct reply r[3];

	scene_open(&s, 1, true);
	s.engines[0].build = BUILD_PARKS;
	scene_send(&s, &r[0], "a", "echo", "0");
	scene_tick(&s);
	scene_send(&s, &r[1], "a", "echo", "1");
	scene_send(&s, &r[2], "a", "echo", "2");
	scene_tick(&s);
	ck_assert_str_eq(scene_trace(&s), "wake");
	scene_build(&s, "a", true);
	scene_tick(&s);
	ck_assert_str_eq(scene_trace(&s), "go:constructor deliver:echo deliver:echo deliver:echo");
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(r[i].order, i + 1);
	ck_assert_uint_eq(s.engines[0].wakes, 1);	/* one instance for three first events */
	scene_close(&s);
}
END_TEST

START_TEST(a_failed_constructor_answers_everyone_and_the_next_event_tries_again)
{
	struct reply r[3];

	scene_open(&s, 1, true);
	s.engines[0].build = BUILD_FAILS;
	for (int i = 0; i < 2; i++)
		scene_send(&s, &r[i], "a", "echo", "x");
	scene_tick(&s);
	for (int i = 0; i < 2; i++) {
		ck_failure(&r[i], "constructor failed");
		ck_assert(r[i].reset);
	}
	ck_assert_ptr_null(scene_object(&s, "a"));
	s.engines[0].build = BUILD_AT_ONCE;
	scene_send(&s, &r[2], "a", "echo", "x");
	scene_tick(&s);
	ck_reply(&r[2], "x");
	scene_close(&s);
}
END_TEST

START_TEST(other_events_run_while_a_task_is_parked)
{
	struct reply parked, r;

	scene_open(&s, 1, true);
	scene_send(&s, &parked, "a", "park", "p");
	scene_send(&s, &r, "a", "inc", "");
	scene_tick(&s);
	ck_reply(&r, "1");
	ck_assert_uint_eq(parked.came, 0);
	scene_wake(&s, "a");
	scene_tick(&s);
	ck_reply(&parked, "p");
	scene_close(&s);
}
END_TEST

START_TEST(a_lock_holds_everybody_else_out)
{
	struct reply parked, locker, late;

	scene_open(&s, 1, true);
	scene_send(&s, &parked, "a", "park", "parked");
	scene_tick(&s);
	scene_send(&s, &locker, "a", "lock", "L");
	scene_send(&s, &late, "a", "echo", "late");
	scene_tick(&s);
	scene_wake(&s, "a");		/* the parked one: its time has come, but it may not run */
	scene_tick(&s);
	ck_assert_str_eq(scene_trace(&s), "wake deliver:park deliver:lock locked:L");
	ck_assert_uint_eq(parked.came + locker.came + late.came, 0);
	scene_wake(&s, "a");		/* the locker */
	scene_tick(&s);
	ck_assert_str_eq(scene_trace(&s), "go:lock go:park deliver:echo");	/* the stalled before new events */
	ck_reply(&parked, "parked");
	ck_reply(&locker, "L");
	ck_reply(&late, "late");
	scene_close(&s);
}
END_TEST

START_TEST(lockers_take_turns_in_order)
{
	struct reply r[3];

	scene_open(&s, 1, true);
	scene_send(&s, &r[0], "a", "park", "0");
	scene_tick(&s);
	scene_send(&s, &r[1], "a", "lock", "1");
	scene_tick(&s);
	scene_wake(&s, "a");		/* 0 stalls */
	scene_tick(&s);
	scene_send(&s, &r[2], "a", "lock", "2");
	scene_tick(&s);
	scene_trace(&s);
	scene_wake(&s, "a");		/* 1 unlocks; 0 goes on; then 2 begins and locks */
	scene_tick(&s);
	ck_assert_str_eq(scene_trace(&s), "go:lock go:park deliver:lock locked:2");
	scene_wake(&s, "a");
	scene_tick(&s);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(r[i].came, 1);
	scene_close(&s);
}
END_TEST

START_TEST(a_break_answers_everyone_exactly_once)
{
	struct reply committed, parked, stalled, locker, waiting[3];
	struct failure why = { .message = STR("reset by the scene"), .overloaded = true };

	scene_open(&s, 1, false);
	scene_send(&s, &committed, "a", "inc", "");
	scene_tick(&s);
	scene_send(&s, &stalled, "a", "park", "");
	scene_send(&s, &parked, "a", "inc+park", "");
	scene_send(&s, &locker, "a", "lock", "");
	for (int i = 0; i < 3; i++)
		scene_send(&s, &waiting[i], "a", "inc", "");
	scene_tick(&s);
	scene_wake(&s, "a");
	scene_tick(&s);
	object_break(scene_object(&s, "a"), &why);
	ck_assert_int_eq(scene_object(&s, "a")->state, OBJECT_ASLEEP);	/* its words still wait */
	scene_tick(&s);
	for (int i = 0; i < 3; i++) {
		ck_failure(&waiting[i], "reset by the scene");
		ck_assert(waiting[i].reset && waiting[i].overloaded);
	}
	ck_assert_uint_eq(committed.came + parked.came + stalled.came + locker.came, 0);
	ck_assert_uint_eq(s.engines[0].cancels, 1);
	fake_store_sync(s.store);
	scene_tick(&s);
	ck_reply(&committed, "1");	/* it saw only what is durable now */
	ck_failure(&parked, "reset by the scene");
	ck_failure(&stalled, "reset by the scene");
	ck_failure(&locker, "reset by the scene");
	ck_assert_ptr_null(scene_object(&s, "a"));
	scene_close(&s);
}
END_TEST

START_TEST(a_new_instance_queues_behind_the_words_of_the_old)
{
	struct reply old, new;

	scene_open(&s, 1, false);
	scene_send(&s, &old, "a", "inc", "");
	scene_tick(&s);
	object_break(scene_object(&s, "a"), &(struct failure){ .message = STR("reset") });
	scene_send(&s, &new, "a", "get", "");
	scene_tick(&s);
	ck_assert_uint_eq(s.engines[0].wakes, 2);
	ck_assert_uint_eq(old.came + new.came, 0);
	fake_store_sync(s.store);
	scene_tick(&s);
	ck_reply(&old, "1");
	ck_reply(&new, "1");
	ck_assert_uint_lt(old.order, new.order);
	scene_close(&s);
}
END_TEST

START_TEST(a_reset_from_inside_waits_for_the_end_of_that_call_and_drops_what_is_uncommitted)
{
	struct reply before, aborted, after;

	scene_open(&s, 1, true);
	scene_send(&s, &before, "a", "park", "");
	scene_send(&s, &aborted, "a", "inc+abort", "");
	scene_tick(&s);
	ck_failure(&before, "aborted");
	ck_failure(&aborted, "aborted");
	ck_assert(aborted.reset);
	scene_send(&s, &after, "a", "get", "");
	scene_tick(&s);
	ck_reply(&after, "1");		/* committed at the yield; the write after it is gone */
	scene_close(&s);
}
END_TEST

START_TEST(a_refused_commit_breaks_only_the_words_that_saw_it)
{
	struct reply first, r[2], after;

	scene_open(&s, 1, false);
	scene_send(&s, &first, "a", "inc", "");
	scene_tick(&s);
	fake_store_refuse(s.store, "FOREIGN KEY constraint failed: SQLITE_CONSTRAINT");
	scene_send(&s, &r[0], "a", "inc", "");
	scene_send(&s, &r[1], "a", "get", "");
	scene_tick(&s);
	for (int i = 0; i < 2; i++) {
		ck_failure(&r[i], "Durable Object was reset and rolled back to its last known good state because the application "
			"left the database in a state where constraints were violated: FOREIGN KEY constraint failed: "
			"SQLITE_CONSTRAINT");
		ck_assert(r[i].reset);
	}
	scene_send(&s, &after, "a", "get", "");
	fake_store_sync(s.store);
	scene_tick(&s);
	ck_reply(&first, "1");
	ck_reply(&after, "1");
	scene_close(&s);
}
END_TEST

START_TEST(a_critical_error_reaches_the_caller_even_if_the_handler_kept_silent)
{
	struct reply r, after;

	scene_open(&s, 1, true);
	scene_send(&s, &r, "a", "inc", "");
	scene_tick(&s);
	scene_send(&s, &r, "a", "inc+spoil", "");
	scene_tick(&s);
	ck_failure(&r, "database or disk is full: SQLITE_FULL");
	ck_assert(r.reset);
	scene_send(&s, &after, "a", "inc", "");		/* the next instance has a fresh database */
	scene_tick(&s);
	ck_reply(&after, "2");
	scene_close(&s);
}
END_TEST

START_TEST(the_next_instance_has_a_sound_database_though_words_of_the_old_still_wait)
{
	struct reply old, spoilt, new;

	scene_open(&s, 1, false);
	scene_send(&s, &old, "a", "inc", "");
	scene_send(&s, &spoilt, "a", "park", "");
	scene_tick(&s);
	fake_db_spoil(scene_object(&s, "a")->db, "disk I/O error: SQLITE_IOERR");
	object_break(scene_object(&s, "a"), &(struct failure){ .message = STR("disk I/O error: SQLITE_IOERR") });
	scene_send(&s, &new, "a", "inc", "");		/* before the object could go */
	scene_tick(&s);
	fake_store_sync(s.store);
	scene_tick(&s);
	ck_reply(&old, "1");
	ck_failure(&spoilt, "disk I/O error: SQLITE_IOERR");
	ck_reply(&new, "2");
	scene_close(&s);
}
END_TEST

START_TEST(an_outgoing_call_waits_for_the_disk_too)
{
	struct reply r;

	scene_open(&s, 1, false);
	scene_send(&s, &r, "a", "inc+call", "b");
	scene_tick(&s);
	ck_assert_ptr_null(scene_object(&s, "b"));
	fake_store_sync(s.store);
	scene_tick(&s);
	ck_assert_ptr_nonnull(scene_object(&s, "b"));
	ck_assert_uint_eq(r.came, 0);
	fake_store_sync(s.store);
	scene_tick(&s);
	ck_reply(&r, "1");
	scene_close(&s);
}
END_TEST

START_TEST(a_call_that_saw_a_refused_commit_never_leaves)
{
	struct reply r;

	scene_open(&s, 1, false);
	fake_store_refuse(s.store, "no");
	scene_send(&s, &r, "a", "inc+call", "b");
	scene_tick(&s);
	ck_failure(&r, "no");
	ck_assert_ptr_null(scene_object(&s, "b"));
	scene_close(&s);
}
END_TEST

START_TEST(an_object_that_calls_itself_is_served)
{
	struct reply r;

	scene_open(&s, 1, true);
	scene_send(&s, &r, "a", "call", "a");
	scene_tick(&s);
	ck_reply(&r, "1");
	scene_close(&s);
}
END_TEST

START_TEST(its_name_is_kept_for_those_who_come_by_id)
{
	struct reply r;
	struct event *ev;

	scene_open(&s, 1, true);
	scene_send(&s, &r, "a", "inc", "");
	scene_tick(&s);
	object_evict(scene_object(&s, "a"));
	scene_tick(&s);
	ck_assert_ptr_null(scene_object(&s, "a"));
	ev = scene_event(&s, &r, "a", "get", "");
	ev->name = (struct str){ NULL, 0 };
	worker_send(s.w, ev);
	scene_tick(&s);
	ck_reply(&r, "1");
	ck_assert(str_eq(scene_object(&s, "a")->name, STR("a")));
	ck_assert_uint_eq(fake_store_commits(s.store), 1);	/* known already: not written again */
	scene_close(&s);
}
END_TEST

START_TEST(a_name_may_hold_any_bytes)
{
	static const struct str names[] = { { "a\0b", 3 }, { "", 0 }, { "\0", 1 } };
	static const char *const ids[] = { "1", "2", "3" };

	scene_open(&s, 1, true);
	for (int i = 0; i < 3; i++) {
		struct reply r;
		struct event *ev = scene_event(&s, &r, ids[i], "inc", "");
		char buf[64];

		ev->name = names[i];
		worker_send(s.w, ev);
		scene_tick(&s);
		object_evict(scene_object(&s, ids[i]));
		scene_tick(&s);
		ck_assert_ptr_null(scene_object(&s, ids[i]));
		ev = scene_event(&s, &r, ids[i], "get", "");
		ev->name = (struct str){ NULL, 0 };
		worker_send(s.w, ev);
		scene_tick(&s);
		ck_reply(&r, "1");
		ck_assert_ptr_nonnull(scene_object(&s, ids[i])->name.p);
		ck_assert(str_eq(scene_object(&s, ids[i])->name, names[i]));
		object_label(scene_object(&s, ids[i]), buf, sizeof(buf));
		ck_assert_uint_eq(strlen(buf), strlen("app/Counter/") + (i == 1 ? 0 : 12));	/* cut at no NUL */
	}
	scene_close(&s);
}
END_TEST

START_TEST(held_work_keeps_an_object_awake)
{
	struct reply r;

	scene_open(&s, 1, true);
	scene_send(&s, &r, "a", "echo", "x");
	scene_tick(&s);
	object_hold(scene_object(&s, "a"));
	object_evict(scene_object(&s, "a"));
	scene_tick(&s);
	ck_assert_ptr_nonnull(scene_object(&s, "a"));
	object_release(scene_object(&s, "a"));
	scene_tick(&s);
	ck_assert_ptr_null(scene_object(&s, "a"));
	scene_close(&s);
}
END_TEST

/* A write that nobody waits for, as of work that outlives its event: the journal has it, the disk does not. */
static struct object *
written_unseen(struct scene *s, const char *name)
{
	struct reply r;

	scene_send(s, &r, name, "echo", "x");
	scene_tick(s);
	fake_db_set(scene_object(s, name)->db, 7);
	scene_tick(s);
	ck_assert(gate_empty(&scene_object(s, name)->gate));
	return scene_object(s, name);
}

START_TEST(an_evicted_object_makes_nobody_wait_for_the_disk)
{
	struct reply word, next;

	scene_open(&s, 1, false);
	object_evict(written_unseen(&s, "a"));
	scene_send(&s, &next, "a", "get", "");		/* for the next instance */
	scene_send(&s, &word, "b", "inc", "");
	scene_tick(&s);
	ck_assert_uint_eq(fake_store_waits(s.store), 0);
	ck_assert_ptr_nonnull(scene_object(&s, "a"));
	fake_store_sync(s.store);
	scene_tick(&s);
	ck_reply(&word, "1");
	ck_reply(&next, "7");
	ck_assert_uint_eq(fake_store_waits(s.store), 0);
	scene_close(&s);
}
END_TEST

START_TEST(an_object_falling_asleep_makes_nobody_wait_for_the_disk)
{
	scene_open(&s, 1, false);
	written_unseen(&s, "a");
	s.app_conf.limits.idle_hibernate_ms = 0;
	scene_tick(&s);
	ck_assert_ptr_nonnull(scene_object(&s, "a"));
	ck_assert(!worker_tick(s.w));			/* nor does the loop spin until then */
	fake_store_sync(s.store);
	scene_tick(&s);
	scene_tick(&s);
	ck_assert_ptr_null(scene_object(&s, "a"));
	ck_assert_uint_eq(fake_store_waits(s.store), 0);
	scene_close(&s);
}
END_TEST

START_TEST(an_object_that_waits_to_sleep_hears_that_the_disk_failed)
{
	scene_open(&s, 1, false);
	object_evict(written_unseen(&s, "a"));
	scene_tick(&s);
	fake_store_fail(s.store, "disk on fire");
	scene_tick(&s);
	scene_tick(&s);
	ck_assert_ptr_null(scene_object(&s, "a"));
	ck_assert_uint_eq(fake_store_waits(s.store), 0);
	scene_close(&s);
}
END_TEST

START_TEST(a_label_says_who_it_is)
{
	struct reply r;
	char buf[64];
	struct event *ev;

	scene_open(&s, 1, true);
	scene_send(&s, &r, "room-7", "echo", "x");
	ck_assert_str_eq(object_label(scene_object(&s, "room-7"), buf, sizeof(buf)).p, "app/Counter/room-7");
	ck_assert_uint_eq(object_label(scene_object(&s, "room-7"), buf, 5).n, 4);
	scene_tick(&s);
	ev = scene_event(&s, &r, "x", "echo", "x");
	ev->name.p = NULL;
	worker_send(s.w, ev);
	scene_tick(&s);
	ck_assert_uint_eq(object_label(scene_object(&s, "x"), buf, sizeof(buf)).n, strlen("app/Counter/") + 12);
	scene_close(&s);
}
END_TEST

/* ---- storage:transaction() ---- */

START_TEST(a_parked_transaction_is_neither_committed_nor_seen)
{
	struct reply before, txn, after;

	scene_open(&s, 1, true);
	scene_send(&s, &before, "a", "inc", "");
	scene_send(&s, &txn, "a", "txn", "");
	scene_send(&s, &after, "a", "get", "");
	scene_tick(&s);
	ck_reply(&before, "1");
	ck_assert_uint_eq(fake_store_commits(s.store), 1);	/* what was written before it */
	ck_assert_uint_eq(txn.came + after.came, 0);
	scene_wake(&s, "a");
	scene_tick(&s);
	ck_reply(&txn, "2");
	ck_reply(&after, "2");
	ck_assert_uint_eq(fake_store_commits(s.store), 2);
	scene_close(&s);
}
END_TEST

START_TEST(the_answer_waits_for_the_commit_of_its_transaction)
{
	struct reply txn;

	scene_open(&s, 1, false);
	scene_send(&s, &txn, "a", "txn", "");
	scene_tick(&s);
	scene_wake(&s, "a");
	scene_tick(&s);
	ck_assert_uint_eq(fake_store_commits(s.store), 1);
	ck_assert_uint_eq(txn.came, 0);
	fake_store_sync(s.store);
	scene_tick(&s);
	ck_reply(&txn, "1");
	scene_close(&s);
}
END_TEST

START_TEST(a_transaction_that_is_undone_leaves_nothing_and_makes_nobody_wait)
{
	struct reply txn, after;

	scene_open(&s, 1, true);
	scene_send(&s, &txn, "a", "inc", "");
	scene_tick(&s);
	scene_send(&s, &txn, "a", "txn+undo", "");
	scene_tick(&s);
	scene_wake(&s, "a");
	scene_send(&s, &after, "a", "inc", "");
	scene_tick(&s);
	ck_reply(&txn, "1");
	ck_reply(&after, "2");
	scene_close(&s);
}
END_TEST

START_TEST(a_nested_transaction_is_undone_alone)
{
	struct reply txn;

	scene_open(&s, 1, true);
	scene_send(&s, &txn, "a", "txn+nest", "");
	scene_tick(&s);
	ck_assert_uint_eq(fake_store_commits(s.store), 0);
	scene_wake(&s, "a");
	scene_tick(&s);
	ck_reply(&txn, "1");
	ck_assert_uint_eq(fake_store_commits(s.store), 1);
	scene_close(&s);
}
END_TEST

START_TEST(transactions_take_turns_though_they_park)
{
	struct reply r[3];

	scene_open(&s, 1, true);
	for (int i = 0; i < 3; i++)
		scene_send(&s, &r[i], "a", "txn", "");
	for (int i = 0; i < 3; i++) {
		scene_tick(&s);
		scene_wake(&s, "a");
	}
	scene_tick(&s);
	ck_reply(&r[0], "1");
	ck_reply(&r[1], "2");
	ck_reply(&r[2], "3");
	scene_close(&s);
}
END_TEST

START_TEST(a_call_from_inside_a_transaction_waits_only_for_what_was_committed_before_it)
{
	struct reply before, txn;

	scene_open(&s, 1, false);
	scene_send(&s, &before, "a", "inc", "");
	scene_send(&s, &txn, "a", "txn+call", "b");
	scene_tick(&s);
	ck_assert_ptr_null(scene_object(&s, "b"));
	fake_store_sync(s.store);		/* before it */
	scene_tick(&s);
	ck_assert_ptr_nonnull(scene_object(&s, "b"));
	ck_reply(&before, "1");
	fake_store_sync(s.store);		/* what b wrote */
	scene_tick(&s);
	ck_assert_uint_eq(txn.came, 0);
	fake_store_sync(s.store);		/* its own */
	scene_tick(&s);
	ck_reply(&txn, "2");
	scene_close(&s);
}
END_TEST

START_TEST(a_reset_inside_a_transaction_leaves_nothing_of_it)
{
	struct reply txn, waiting, after;

	scene_open(&s, 1, true);
	scene_send(&s, &txn, "a", "txn", "");
	scene_send(&s, &waiting, "a", "get", "");
	scene_tick(&s);
	object_break(scene_object(&s, "a"), &(struct failure){ .message = STR("reset") });
	scene_tick(&s);
	ck_failure(&txn, "reset");
	ck_failure(&waiting, "reset");
	scene_send(&s, &after, "a", "inc", "");
	scene_tick(&s);
	ck_reply(&after, "1");
	scene_close(&s);
}
END_TEST

START_TEST(a_stop_does_not_wait_for_a_transaction)
{
	struct reply txn;

	scene_open(&s, 1, true);
	scene_send(&s, &txn, "a", "txn", "");
	scene_tick(&s);
	scene_close(&s);
	ck_assert_uint_eq(txn.came, 1);
	ck_assert(txn.failed && txn.retryable);
}
END_TEST

START_TEST(a_critical_error_inside_a_transaction_resets_the_object)
{
	struct reply txn, after;

	scene_open(&s, 1, true);
	scene_send(&s, &txn, "a", "txn", "");
	scene_tick(&s);
	fake_db_spoil(scene_object(&s, "a")->db, "database or disk is full: SQLITE_FULL");
	scene_wake(&s, "a");
	scene_tick(&s);
	ck_failure(&txn, "database or disk is full: SQLITE_FULL");
	ck_assert(txn.reset);
	scene_send(&s, &after, "a", "inc", "");
	scene_tick(&s);
	ck_reply(&after, "1");
	scene_close(&s);
}
END_TEST

START_TEST(a_constraint_violated_at_the_commit_of_a_transaction_resets_the_object)
{
	struct reply txn;

	scene_open(&s, 1, true);
	scene_send(&s, &txn, "a", "txn", "");
	scene_tick(&s);
	fake_store_refuse(s.store, "FOREIGN KEY constraint failed: SQLITE_CONSTRAINT");
	scene_wake(&s, "a");
	scene_tick(&s);
	ck_assert(txn.failed && txn.reset && strstr(txn.text, "last known good state"));
	scene_close(&s);
}
END_TEST

START_TEST(a_task_removed_inside_a_transaction_leaves_nothing_and_lets_the_others_in)
{
	struct reply txn, waiting;

	scene_open(&s, 1, true);
	scene_send(&s, &txn, "a", "txn+nest", "");
	scene_send(&s, &waiting, "a", "inc", "");
	scene_tick(&s);
	scene_drop(&s, "a");
	scene_tick(&s);
	ck_failure(&txn, "stopped");
	ck_assert(!txn.reset);
	ck_reply(&waiting, "1");
	scene_close(&s);
}
END_TEST

START_TEST(a_task_removed_while_it_blocks_the_others_resets_the_object)
{
	struct reply lock, waiting, after;

	scene_open(&s, 1, true);
	scene_send(&s, &lock, "a", "lock", "");
	scene_send(&s, &waiting, "a", "inc", "");
	scene_tick(&s);
	scene_drop(&s, "a");
	scene_tick(&s);
	ck_assert(lock.failed && lock.reset && strstr(lock.text, "critical section"));
	ck_assert(waiting.failed && waiting.reset);
	scene_send(&s, &after, "a", "inc", "");
	scene_tick(&s);
	ck_reply(&after, "1");
	scene_close(&s);
}
END_TEST

START_TEST(a_task_removed_without_a_lock_disturbs_nobody)
{
	struct reply parked, lock;

	scene_open(&s, 1, true);
	scene_send(&s, &parked, "a", "park", "");
	scene_send(&s, &lock, "a", "lock", "L");
	scene_tick(&s);
	scene_drop(&s, "a");
	scene_tick(&s);
	ck_failure(&parked, "stopped");
	ck_assert_uint_eq(lock.came, 0);
	scene_wake(&s, "a");
	scene_tick(&s);
	ck_reply(&lock, "L");
	scene_close(&s);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("object");
	TCase *t = tcase_create("object");
	SRunner *sr = srunner_create(suite);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, reply_waits_for_the_commit_it_saw);
	tcase_add_test(t, an_error_waits_for_the_disk_like_a_result);
	tcase_add_test(t, a_reader_waits_for_the_undurable_commit_it_saw);
	tcase_add_test(t, a_reader_does_not_overtake_a_word_that_is_about_to_leave);
	tcase_add_test(t, a_reader_of_durable_state_does_not_wait);
	tcase_add_test(t, words_leave_in_order_even_when_a_later_one_could_go);
	tcase_add_test(t, twenty_events_in_one_tick_commit_once);
	tcase_add_test(t, a_yield_ends_the_transaction);
	tcase_add_test(t, events_wait_for_the_constructor_and_come_in_order);
	tcase_add_test(t, a_failed_constructor_answers_everyone_and_the_next_event_tries_again);
	tcase_add_test(t, other_events_run_while_a_task_is_parked);
	tcase_add_test(t, a_lock_holds_everybody_else_out);
	tcase_add_test(t, lockers_take_turns_in_order);
	tcase_add_test(t, a_break_answers_everyone_exactly_once);
	tcase_add_test(t, a_new_instance_queues_behind_the_words_of_the_old);
	tcase_add_test(t, a_reset_from_inside_waits_for_the_end_of_that_call_and_drops_what_is_uncommitted);
	tcase_add_test(t, a_refused_commit_breaks_only_the_words_that_saw_it);
	tcase_add_test(t, a_critical_error_reaches_the_caller_even_if_the_handler_kept_silent);
	tcase_add_test(t, the_next_instance_has_a_sound_database_though_words_of_the_old_still_wait);
	tcase_add_test(t, an_outgoing_call_waits_for_the_disk_too);
	tcase_add_test(t, a_call_that_saw_a_refused_commit_never_leaves);
	tcase_add_test(t, an_object_that_calls_itself_is_served);
	tcase_add_test(t, its_name_is_kept_for_those_who_come_by_id);
	tcase_add_test(t, a_name_may_hold_any_bytes);
	tcase_add_test(t, an_evicted_object_makes_nobody_wait_for_the_disk);
	tcase_add_test(t, an_object_falling_asleep_makes_nobody_wait_for_the_disk);
	tcase_add_test(t, an_object_that_waits_to_sleep_hears_that_the_disk_failed);
	tcase_add_test(t, held_work_keeps_an_object_awake);
	tcase_add_test(t, a_label_says_who_it_is);
	tcase_add_test(t, a_parked_transaction_is_neither_committed_nor_seen);
	tcase_add_test(t, the_answer_waits_for_the_commit_of_its_transaction);
	tcase_add_test(t, a_transaction_that_is_undone_leaves_nothing_and_makes_nobody_wait);
	tcase_add_test(t, a_nested_transaction_is_undone_alone);
	tcase_add_test(t, transactions_take_turns_though_they_park);
	tcase_add_test(t, a_call_from_inside_a_transaction_waits_only_for_what_was_committed_before_it);
	tcase_add_test(t, a_reset_inside_a_transaction_leaves_nothing_of_it);
	tcase_add_test(t, a_stop_does_not_wait_for_a_transaction);
	tcase_add_test(t, a_critical_error_inside_a_transaction_resets_the_object);
	tcase_add_test(t, a_constraint_violated_at_the_commit_of_a_transaction_resets_the_object);
	tcase_add_test(t, a_task_removed_inside_a_transaction_leaves_nothing_and_lets_the_others_in);
	tcase_add_test(t, a_task_removed_while_it_blocks_the_others_resets_the_object);
	tcase_add_test(t, a_task_removed_without_a_lock_disturbs_nobody);
	suite_add_tcase(suite, t);
	srunner_run_all(sr, getenv("CK_VERBOSE") ? CK_VERBOSE : CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
