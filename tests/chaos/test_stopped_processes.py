"""The checker's judgement of processes that were stopped past the end of their lease."""

from tests.chaos.checker_world import DRIVER, MS, World
from tests.chaos.report import Report


class TestStoppedProcesses:
    """Process 101 has block 1 and is stopped; the block goes to process 102."""

    def stopped_past_its_lease(self, world: World, until: int = 0) -> None:
        stale = world.begin("first", 1, pid=101)
        if until:
            world.add(101, "until", until=world.now + until)
        world.add(DRIVER, "stop", target=101)
        world.now += 3000 * MS
        current = world.begin("first", 1, pid=102)
        world.add(DRIVER, "continue", target=101)
        world.add(101, "tick", lease=stale)
        world.end("first", 1, current, pid=102)
        world.add(102, "committed", leases=[current])

    def finish(self, world: World) -> Report:
        world.rest(("first", 1))
        world.status()
        return world.check()

    def test_an_overlap_that_a_stopped_process_causes_is_outside_the_guarantee(
        self, world: World
    ) -> None:
        self.stopped_past_its_lease(world)
        report = self.finish(world)
        assert report.violations == []
        assert len(report.outside) == 1
        assert report.lines()[0].startswith(
            "outside the guarantee: stopped process 101: twice: j/first[1] under lease 1"
        )

    def test_no_overlap_if_a_stopped_process_is_killed_before_it_goes_on(
        self, world: World
    ) -> None:
        world.begin("first", 1, pid=101)
        world.add(DRIVER, "stop", target=101)
        lease = world.begin("first", 1, pid=102)
        world.add(DRIVER, "kill", target=101)
        world.end("first", 1, lease, pid=102)
        report = self.finish(world)
        assert (report.violations, report.outside) == ([], [])

    def test_a_lease_that_still_lasted_is_no_excuse_for_the_broker(self, world: World) -> None:
        self.stopped_past_its_lease(world, until=4000 * MS)
        assert {violation.kind for violation in self.finish(world).violations} == {"kept"}

    def test_a_stop_that_was_over_long_before_is_no_excuse(self, world: World) -> None:
        stale = world.begin("first", 1, pid=101)
        world.add(DRIVER, "stop", target=101)
        world.add(DRIVER, "continue", target=101)
        world.now += 3000 * MS
        current = world.begin("first", 1, pid=102)
        world.add(101, "tick", lease=stale)
        world.end("first", 1, current, pid=102)
        assert {violation.kind for violation in self.finish(world).violations} == {"twice"}

    def test_a_stop_of_the_other_process_is_no_excuse(self, world: World) -> None:
        stale = world.begin("first", 1, pid=101)
        world.add(DRIVER, "stop", target=102)
        current = world.begin("first", 1, pid=102)
        world.add(101, "tick", lease=stale)
        world.end("first", 1, current, pid=102)
        assert {violation.kind for violation in self.finish(world).violations} == {"twice"}

    def test_a_stale_block_that_begins_late_is_outside(self, world: World) -> None:
        """The process was stopped between receiving the block and beginning it."""
        world.add(DRIVER, "stop", target=101)
        current = world.begin("first", 1, pid=102, lease=50)
        world.end("first", 1, current, pid=102)
        world.add(102, "committed", leases=[current])
        world.add(DRIVER, "continue", target=101)
        stale = world.begin("first", 1, pid=101, lease=49)
        world.add(101, "tick", lease=stale)
        report = self.finish(world)
        assert report.violations == []
        assert any("durable" in text for text in report.outside)

    def test_what_a_stale_run_wrote_is_named_as_such(self, world: World) -> None:
        stale = world.begin("first", 1, pid=101)
        world.add(DRIVER, "stop", target=101)
        current = world.begin("first", 1, pid=102)
        world.end("first", 1, current, pid=102)
        world.rest(("first", 1))
        world.add(DRIVER, "continue", target=101)
        world.add(101, "writes", lease=stale, digest="stale")
        world.outputs.write(world.block("first", 1), "stale", stale)
        world.status()
        report = world.check()
        assert report.violations == []
        assert any("what a stale run wrote" in text for text in report.outside)
