#!/usr/bin/env python3
"""Takes each guard of src/raft/core away in turn and says which test of test_raft notices.

    tools/mutate_raft.py [--check] [--only WORD] [--skip N] [--build DIRECTORY] [--seconds N] [--total-seconds N]

The sources are not touched: a mutated copy of one file is compiled with the command that the build uses and linked in front of the
library. Needs build/release (ninja) with test_raft built. --check only looks whether every mutation still finds its place; ctest runs
that. Ends with 1 when a mutation lives that is not marked as harmless.
"""
import argparse
import pathlib
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CORE = ROOT / "src" / "raft" / "core"
# The tests in the order of their times; the first that fails ends a mutation.
STAGES = ["RaftFaults*:RaftMembership*:Raft*Faults*", "RaftCore.*", "-RaftFaults*:RaftMembership*:Raft*Faults*:RaftCore.*:RaftExplore.*"]
# Minutes of CPU; for those that none of the others notices, when all have been tried.
LAST_STAGE = "RaftExplore.*"


class Mutation:
    def __init__(self, name, file, before, after, harmless=None):
        self.name, self.file, self.before, self.after = name, file, before, after
        self.harmless = harmless  # why no test can tell: what it guards is guarded elsewhere too


M = Mutation
MUTATIONS = [
    # elections
    M("no pre-vote", "core.cc", "if (may_stand()) return begin_pre_vote(now);", "if (may_stand()) return begin_vote(now, false);"),
    M("votes although it hears a leader", "core.cc",
      "if (message.term > hard_state_.term && hears_a_leader(now) && !is_wanted_by_leader) return;", "(void)is_wanted_by_leader;"),
    M("pre-vote for whoever lacks entries", "core.cc",
      "answer.is_rejected = message.term <= hard_state_.term || !is_up_to_date(message);",
      "answer.is_rejected = message.term <= hard_state_.term;"),
    M("vote for whoever lacks entries", "core.cc", "role_ != Role::follower || !is_free ||\n                       !is_up_to_date(message);",
      "role_ != Role::follower || !is_free;"),
    M("up to date by length alone", "core.cc",
      "if (message.index_term != log_.last_term()) return message.index_term > log_.last_term();", ""),
    M("two votes in a term", "core.cc",
      "const bool is_free = !hard_state_.vote.has_value() || *hard_state_.vote == message.from;", "const bool is_free = true;"),
    M("a vote is told before it is stored", "core.cc",
      "    reset_election_deadline(now);\n  }\n  send_after_save(std::move(answer));",
      "    reset_election_deadline(now);\n  }\n  output_.messages.push_back(std::move(answer));"),
    M("the own vote counts before it is stored", "core.cc",
      "if (votes_.contains(options_.self)) become_leader(now);", "become_leader(now);"),
    M("votes of another term count", "core.cc", "if (message.is_rejected || message.term != wanted) return;",
      "if (message.is_rejected || message.term > wanted) return;"),
    M("one vote too few is enough", "core.cc", "if (granted_votes() < majority()) return;", "if (granted_votes() + 1 < majority()) return;"),
    M("votes of those who have none count", "core.cc", "[this](const auto& vote) { return is_voter(vote.first); }",
      "[](const auto&) { return true; }"),
    M("whoever is no voter stands", "core.cc", "if (at->configuration.is_voter(options_.self)) return true;", "return true;"),
    M("whoever lacks the state stands", "core.cc", "if (!may_lead_) return false;", ""),
    M("a higher term is not followed", "core.cc",
      "  if (message.term > hard_state_.term) become_follower(message.term, std::nullopt, now);\n  switch", "  switch"),
    M("no check-quorum", "replication.cc", "if (alive < majority()) become_follower(hard_state_.term, std::nullopt, now);", ""),
    M("a transfer from whoever does not lead", "core.cc", "role_ == Role::follower && leader_ == message.from &&\n      may_stand()",
      "role_ == Role::follower &&\n      may_stand()",
      harmless="an election like any other; only its time is another's choice, and only members are heard"),
    M("a transfer never ends", "core.cc", "if (transfer_to_.has_value() && now >= transfer_until_) transfer_to_.reset();", ""),
    M("proposals during a transfer", "replication.cc", "if (role_ != Role::leader || transfer_to_.has_value()) return std::nullopt;",
      "if (role_ != Role::leader) return std::nullopt;"),
    M("a transfer to whoever lacks entries", "core.cc",
      "if (found == progress_.end() || found->second.match != log_.last_index()) return;", "if (found == progress_.end()) return;"),
    # what is stored
    M("promises of a term that is over leave", "core.cc", "if (message.term >= hard_state_.term) output_.messages.push_back(std::move(message));",
      "output_.messages.push_back(std::move(message));",
      harmless="the receiver has the term to see that it is over"),
    M("applied before it is stored", "core.cc", "output_.apply_index = std::min(commit_index_, durable_index_);",
      "output_.apply_index = commit_index_;"),
    M("acknowledged before it is stored", "replication.cc", "answer.index = std::min(verified_index_, durable_index_);",
      "answer.index = verified_index_;"),
    M("acknowledged before the term is stored", "replication.cc",
      "if (!leader_.has_value() || verified_index_ == 0 || durable_term_ != hard_state_.term) return;",
      "if (!leader_.has_value() || verified_index_ == 0) return;"),
    M("what was replaced stays stored", "replication.cc", "durable_index_ = std::min(durable_index_, entry.index - 1);", ""),
    M("saves under way store what was replaced", "replication.cc",
      "for (PendingSave& save : saves_) save.last_index = std::min(save.last_index, entry.index - 1);", ""),
    M("heartbeats are answered before the term is stored", "replication.cc",
      "if (durable_term_ == hard_state_.term) {\n    output_.messages.push_back(std::move(answer));",
      "if (true) {\n    output_.messages.push_back(std::move(answer));"),
    # appends and commit
    M("entries of earlier terms are committed by counting", "replication.cc",
      "if (index <= commit_index_ || log_.term_at(index) != hard_state_.term) return;", "if (index <= commit_index_) return;"),
    M("committed by one", "replication.cc", "return reached[majority() - 1];", "return reached[0];"),
    M("no entry at the beginning of a term", "core.cc", "  append_own({});\n  term_start_index_", "  term_start_index_"),
    M("appends go on anything", "replication.cc",
      "if (!is_trimmed && log_.term_at(message.index) != message.index_term) {",
      "if (!is_trimmed && message.index > log_.last_index()) {"),
    M("commits more than the append proves", "replication.cc",
      "commit_to(std::min(std::max(message.commit, told_commit_), verified_index_));\n  answer_append();",
      "commit_to(std::min(std::max(message.commit, told_commit_), log_.last_index()));\n  answer_append();"),
    M("commits more than the heartbeat proves", "replication.cc",
      "commit_to(std::min(std::max(message.commit, told_commit_), verified_index_));\n    stored",
      "commit_to(std::min(std::max(message.commit, told_commit_), log_.last_index()));\n    stored"),
    M("what another leader's log proved counts", "core.cc",
      "    set_hard_state({term, std::nullopt});\n    verified_index_ = 0;", "    set_hard_state({term, std::nullopt});"),
    M("the commit index goes back", "replication.cc", "commit_index_ = std::max(commit_index_, index);", "commit_index_ = index;"),
    M("an old rejection counts", "replication.cc",
      "if (message.index <= progress.match || message.index >= progress.next) return;  // from before", ""),
    M("a rejection puts next below match", "replication.cc",
      "progress.next = std::max(progress.match + 1, std::min(message.hint, message.index));",
      "progress.next = std::min(message.hint, message.index);",
      harmless="rejections below match were refused a line before; a hint below it cannot be: it is above the commit index"),
    M("answers of other terms count", "replication.cc",
      "if (role_ != Role::leader || message.term != hard_state_.term || found == progress_.end()) return;",
      "if (role_ != Role::leader || found == progress_.end()) return;"),
    M("entries out of order are taken", "replication.cc",
      "if (entry.index != ++expected || entry.term > message.term) return;  // no leader sends this", "++expected;"),
    M("an append of a lower term is taken", "replication.cc", "if (message.term < hard_state_.term) {\n    Message answer",
      "if (false) {\n    Message answer"),
    # reads
    M("a read joins a round that is under way", "replication.cc", "is_ready ? round_ + 1 : 0", "is_ready ? round_ : 0"),
    M("a read before the term's first commit", "replication.cc",
      "const bool is_ready = commit_index_ >= term_start_index_;", "const bool is_ready = true;"),
    M("a read that waited for the first commit has the old index", "replication.cc", "    read.index = commit_index_;\n", ""),
    M("reads outlive the leadership", "core.cc", "if (role_ == Role::leader) refuse_reads();", ""),
    M("heartbeat answers of other terms count", "replication.cc",
      "if (role_ != Role::leader || message.term != hard_state_.term || message.is_rejected ||\n      found == progress_.end())",
      "if (role_ != Role::leader || message.is_rejected || found == progress_.end())"),
    M("rounds are confirmed by one", "replication.cc",
      "const std::uint64_t confirmed = reached_by_majority(round_, &Progress::round);", "const std::uint64_t confirmed = round_;"),
    M("a read tells what another leader committed", "replication.cc",
      "if (term != hard_state_.term || role_ != Role::follower) return;", "if (role_ != Role::follower) return;"),
    M("a read commits more than is known to be the leader's", "replication.cc",
      "commit_to(std::min(told_commit_, verified_index_));", "commit_to(std::min(told_commit_, log_.last_index()));"),
    M("what a read told outlives its term", "core.cc", "    verified_index_ = 0;\n    told_commit_ = 0;", "    verified_index_ = 0;"),
    # members and snapshots
    M("a change before the term's first commit", "membership.cc", "if (commit_index_ < term_start_index_)", "if (false)"),
    M("two changes at a time", "membership.cc", "if (!is_configuration_committed())\n    return make_error", "if (false)\n    return make_error"),
    M("a change during a transfer", "membership.cc", "if (transfer_to_.has_value())\n    return make_error", "if (false)\n    return make_error"),
    M("a learner that is not heard is promoted", "membership.cc", "if (!is_heard(learner, now))", "if (false)"),
    M("a learner that lags is promoted", "membership.cc", "if (lag > options_.append_entries_max)", "if (false)"),
    M("a change that costs the majority", "membership.cc", "if (heard < next.majority())", "if (false)"),
    M("a removed leader leads on", "membership.cc",
      "if (role_ != Role::leader || !is_configuration_committed() || is_voter(options_.self)) return;", "if (true) return;"),
    M("a removed leader goes before that is committed", "membership.cc",
      "if (role_ != Role::leader || !is_configuration_committed() || is_voter(options_.self)) return;",
      "if (role_ != Role::leader || is_voter(options_.self)) return;"),
    M("a replaced configuration stays", "replication.cc", "drop_configurations_from(entry.index);", ""),
    M("a snapshot that is behind is taken", "membership.cc", "if (snapshot.index <= commit_index_ || role_ == Role::leader) return false;",
      "if (role_ == Role::leader) return false;"),
    M("after a snapshot the old log counts as stored", "membership.cc", "    durable_index_ = 0;  // until the reset is\n", ""),
    M("saves under way outlive a snapshot", "membership.cc", "for (PendingSave& save : saves_) save.last_index = 0;", ""),
    M("the last voter goes", "configuration.cc", "if (next.voter_count() == 0)", "if (false)"),
]


def check():
    bad = 0
    for mutation in MUTATIONS:
        count = (CORE / mutation.file).read_text().count(mutation.before)
        if count != 1:
            print(f"{mutation.file}: '{mutation.name}' finds its place {count} times")
            bad += 1
    print(f"mutate_raft: {len(MUTATIONS)} mutations, {bad} without their place")
    return bad == 0


class Builder:
    def __init__(self, build):
        self.build = build
        commands = subprocess.run(["ninja", "-C", build, "-t", "commands", "test_raft"], capture_output=True, text=True, check=True).stdout
        self.commands = [line for line in commands.splitlines() if line.strip()]

    def compile_command(self, file):
        """The command, and the text of the unity build that compiles the file among others (None: it is compiled by itself)."""
        source = f"raft/core/{file}"
        for line in self.commands:
            if " -c " not in line:
                continue
            if f"{source}.o" in line:
                return line, None
            unit = re.search(r" -c (\S+/unity/\S+\.cc)", line)
            text = pathlib.Path(self.build, unit.group(1)).read_text() if unit else ""
            if f'#include "{source}"' in text:
                return line, text
        raise SystemExit(f"mutate_raft: no command compiles src/{source}")

    def link_command(self):
        for line in reversed(self.commands):
            if re.search(r" -o \S*test_raft(\s|$)", line):
                return line
        raise SystemExit("mutate_raft: no command links test_raft")

    def make(self, mutation, directory):
        """The mutated test_raft, or None when it does not compile."""
        text = (CORE / mutation.file).read_text().replace(mutation.before, mutation.after)
        source, compiled, program = directory / mutation.file, directory / "mutant.o", directory / "test_raft"
        source.write_text(text)
        command, unit = self.compile_command(mutation.file)
        if unit is not None:
            source = directory / "unit.cc"
            source.write_text(unit.replace(f'#include "raft/core/{mutation.file}"', f'#include "{directory / mutation.file}"'))
        words = shlex.split(command)
        words = [word for word in words if word != "ccache" and not word.endswith("/ccache") and not word.startswith("-Werror")]
        for option in ("-MF", "-MT"):  # nothing that the build reads is written
            if option in words:
                del words[words.index(option):words.index(option) + 2]
        words = [word for word in words if word != "-MD"]
        words[words.index("-o") + 1] = str(compiled)
        words[words.index("-c") + 1] = str(source)
        done = subprocess.run(words + ["-w"], cwd=self.build, capture_output=True, text=True)
        if done.returncode != 0:
            return None, done.stderr
        command = self.link_command().removeprefix(": && ").removesuffix(" && :")
        words = shlex.split(command)
        words[words.index("-o") + 1] = str(program)
        # In front of the archive: what is defined already is not taken from it.
        first = next(i for i, word in enumerate(words) if word.endswith(".o"))
        words.insert(first, str(compiled))
        done = subprocess.run(words, cwd=self.build, capture_output=True, text=True)
        return (program, "") if done.returncode == 0 else (None, done.stderr)


def who_notices(program, stages, seconds):
    """The first test that fails, asserts or does not end, or None. The limit is of CPU, so that a busy machine makes no difference."""
    for stage in stages:
        command = [str(program), f"--gtest_filter={stage}", "--gtest_fail_fast", "--gtest_brief=0"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace",
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5)))
        output, code = done.stdout, done.returncode
        started = re.findall(r"\[ RUN      \] (\S+)", output)
        last = started[-1] if started else "?"
        if code == 0:
            continue
        if code in (-signal.SIGXCPU, -signal.SIGKILL):
            return f"{last} (does not end)"
        failed = re.findall(r"\[  FAILED  \] (\S+?)(?: \(\d+ ms\))?$", output, re.M)
        return failed[0].rstrip(",") if failed else f"{last} (assertion)"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--skip", type=int, default=0, help="so many of them, which another run has tried")
    parser.add_argument("--build", default=str(ROOT / "build" / "release"))
    parser.add_argument("--seconds", type=int, default=900, help="of CPU, for all tests of a stage")
    parser.add_argument("--total-seconds", type=int, default=None, help="after so many nothing more is begun")
    options = parser.parse_args()
    if not check():
        return 1
    if options.check:
        return 0
    builder = Builder(options.build)
    caught, alive, harmless, left_out, begun = {}, 0, 0, 0, time.monotonic()

    def is_late():
        return options.total_seconds is not None and time.monotonic() - begun > options.total_seconds

    def note(mutation, noticed):
        print(f"{mutation.name}: {noticed}  [{time.monotonic() - begun:.0f} s]", flush=True)
        suite = noticed.split(".")[0]
        caught[suite] = caught.get(suite, 0) + 1

    with tempfile.TemporaryDirectory(prefix="mutate_raft.") as base:
        remaining = []
        for number, mutation in enumerate(MUTATIONS):
            if options.only not in mutation.name or number < options.skip:
                continue
            if is_late():
                left_out += 1
                continue
            directory = pathlib.Path(base, str(number))
            directory.mkdir()
            program, error = builder.make(mutation, directory)
            if program is None:
                print(f"{mutation.name}: does not build\n{error[:2000]}", flush=True)
                alive += 1
                continue
            noticed = who_notices(program, STAGES, options.seconds)
            if noticed is None:
                remaining.append((mutation, program))
            else:
                note(mutation, noticed)
                shutil.rmtree(directory)
        for mutation, program in remaining:
            if is_late():
                left_out += 1
                continue
            noticed = who_notices(program, [LAST_STAGE], options.seconds)
            if noticed is not None:
                note(mutation, noticed)
            elif mutation.harmless is not None:
                harmless += 1
                print(f"{mutation.name}: LIVES (harmless: {mutation.harmless})", flush=True)
            else:
                alive += 1
                print(f"{mutation.name}: LIVES", flush=True)
    by_suite = ", ".join(f"{suite} {count}" for suite, count in sorted(caught.items(), key=lambda item: -item[1]))
    print(f"mutate_raft: {sum(caught.values())} caught ({by_suite}), {harmless} harmless, {alive} alive, {left_out} not tried in time")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
