// A replica that meets a command which its build does not know stops, and says what it met, rather
// than go on with another state than its peers; they go on without it. Replicas as nodes have them.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "env/host.h"
#include "env/run_task.h"
#include "meta/testing/disk_replica.h"

namespace predastore::meta {
namespace {

using Edit = std::function<void(pb::Entry&)>;

// A build that knows one thing more: to it, what this build does not know is something that it
// does.
class NewerBuild final : public raft::StateMachine {
 public:
  NewerBuild(meta::StateMachine& inner, Edit understand)
      : inner_(inner), understand_(std::move(understand)) {}
  Task<Result<std::vector<std::string>>> apply(std::vector<raft::CommittedEntry> entries) override {
    for (raft::CommittedEntry& each : entries) {
      pb::Entry entry;
      PREDA_ASSERT(entry.ParseFromString(each.command));
      understand_(entry);
      each.command = entry.SerializeAsString();
    }
    co_return co_await inner_.apply(std::move(entries));
  }
  std::uint64_t applied_index() const override { return inner_.applied_index(); }
  std::uint64_t durable_index() const override { return inner_.durable_index(); }

 private:
  meta::StateMachine& inner_;
  Edit understand_;
};

struct Unknown {
  const char* name;
  Edit make;        // of an entry that everybody knows
  Edit understand;  // by the newer build
  const char* said;
};

void add_field(google::protobuf::Message& to) {
  to.GetReflection()->MutableUnknownFields(&to)->AddVarint(999, 1);
}

const Unknown kUnknown[] = {
    {"entry_version", [](pb::Entry& entry) { entry.set_version(kEntryVersion + 1); },
     [](pb::Entry& entry) { entry.set_version(kEntryVersion); }, "an entry of version 2"},
    {"command_version",
     [](pb::Entry& entry) {
       entry.mutable_proposals(0)->mutable_command()->set_version(kCommandVersion + 1);
     },
     [](pb::Entry& entry) {
       for (pb::Proposal& each : *entry.mutable_proposals())
         each.mutable_command()->set_version(kCommandVersion);
     },
     "a command of version 2"},
    {"kind_of_command",
     [](pb::Entry& entry) {
       pb::Command& command = *entry.mutable_proposals(0)->mutable_command();
       command.clear_put_setting();
       add_field(command);
     },
     [](pb::Entry& entry) {
       for (pb::Proposal& each : *entry.mutable_proposals()) {
         pb::Command& command = *each.mutable_command();
         if (command.body_case() != pb::Command::BODY_NOT_SET) continue;
         command.DiscardUnknownFields();
         command.mutable_put_setting()->set_name("new");
       }
     },
     "a kind of command (999)"},
    {"field_of_a_command",
     [](pb::Entry& entry) {
       add_field(*entry.mutable_proposals(0)->mutable_command()->mutable_put_setting());
     },
     [](pb::Entry& entry) { entry.DiscardUnknownFields(); }, "an entry with fields"},
};

class UnknownCommand : public ::testing::TestWithParam<Unknown> {
 protected:
  static constexpr std::size_t kOld = 2;  // of the three

  UnknownCommand() {
    std::string name = std::filesystem::temp_directory_path() / "predastore-unknown-XXXXXX";
    directory_ = mkdtemp(name.data());
  }
  ~UnknownCommand() override {
    for (auto& replica : replicas_) {
      if (replica != nullptr) run_until_done(host_.loop, replica->stop());
    }
    replicas_.clear();
    std::filesystem::remove_all(directory_);
  }
  template <class T>
  T run(Task<T> task) {
    return run_until_done(host_.loop, std::move(task));
  }
  void open(std::size_t which) {
    DiskReplica::Options options;
    options.directory = directory_ + "/" + std::to_string(which);
    options.replica.self = NodeId{which + 1};
    options.replica.voters = {NodeId{1}, NodeId{2}, NodeId{3}};
    if (which != kOld) {
      options.around = [](meta::StateMachine& state) {
        return std::make_unique<NewerBuild>(state, GetParam().understand);
      };
    }
    auto opened = run(DiskReplica::open(env_, network_, std::move(options)));
    ASSERT_TRUE(opened) << opened.error().to_string();
    replicas_[which] = *std::move(opened);
  }
  template <class Condition>
  bool wait_for(Condition condition) {
    const Instant until = env_.clock.now() + 60s;
    while (!condition()) {
      if (env_.clock.now() > until) return false;
      run_until_done(host_.loop, sleep_for(env_.clock, 5ms));
    }
    return true;
  }
  raft::ReplicaStatus status(std::size_t which) { return replicas_[which]->replica().status(); }
  // By whichever of the newer builds leads; both would be asked if the leadership moved.
  Result<std::string> propose(const pb::Entry& entry) {
    Result<std::string> answer = make_error(ErrorCode::Unavailable);
    (void)wait_for([&] {
      for (std::size_t which = 0; which < kOld; ++which) {
        if (status(which).role != raft::ReplicaRole::leader) continue;
        answer = run(
            replicas_[which]->replica().propose(entry.SerializeAsString(), env_.clock.now() + 30s));
        return answer.has_value() || (answer.error().code != ErrorCode::NotLeader &&
                                      answer.error().code != ErrorCode::Unavailable);
      }
      if (status(kOld).role == raft::ReplicaRole::leader)
        (void)run(replicas_[kOld]->replica().transfer_leadership(NodeId{1}, env_.clock.now() + 5s));
      return false;
    });
    return answer;
  }
  pb::Answer execute(pb::Command command) {
    const auto answer = propose(entry_of(std::move(command)));
    EXPECT_TRUE(answer) << answer.error().to_string();
    pb::EntryAnswer answers;
    if (!answer || !answers.ParseFromString(*answer) || answers.answers_size() != 1) return {};
    EXPECT_EQ(answers.answers(0).code(), 0U) << answers.answers(0).detail();
    return answers.answers(0);
  }
  pb::Entry entry_of(pb::Command command) {
    pb::Entry entry;
    entry.set_version(kEntryVersion);
    entry.set_time_ms(1'700'000'000'000);
    pb::Proposal* proposal = entry.add_proposals();
    command.set_version(kCommandVersion);
    if (session_ != 0) {
      proposal->set_session(session_);
      proposal->set_number(++number_);
      proposal->set_acknowledged(number_ - 1);
    }
    *proposal->mutable_command() = std::move(command);
    return entry;
  }
  static pb::Command put_setting(const std::string& name) {
    pb::Command command;
    command.mutable_put_setting()->set_name(name);
    command.mutable_put_setting()->set_value("value");
    return command;
  }
  std::string hash(std::size_t which) {
    return content_hash(replicas_[which]->state().store()).value();
  }

  ProductionHost host_{4};
  Environment env_ = host_.environment();
  net::MemoryNetwork network_{env_};
  std::string directory_;
  std::vector<std::unique_ptr<DiskReplica>> replicas_ =
      std::vector<std::unique_ptr<DiskReplica>>(3);
  std::uint64_t session_ = 0;
  std::uint64_t number_ = 0;
};

TEST_P(UnknownCommand, stops_the_replica_by_name_and_its_peers_go_on) {
  for (std::size_t which = 0; which < 3; ++which) open(which);
  execute(initialise_three());
  pb::Command session;
  session.mutable_open_session();
  session_ = execute(std::move(session)).session();
  execute(put_setting("before"));
  const std::uint64_t known = std::max(status(0).commit_index, status(1).commit_index);
  ASSERT_TRUE(wait_for([&] { return status(kOld).applied_index >= known; }));
  const std::string before = hash(kOld);

  pb::Entry unknown = entry_of(put_setting("new"));
  GetParam().make(unknown);
  const auto answer = propose(unknown);
  ASSERT_TRUE(answer) << answer.error().to_string();
  ASSERT_TRUE(wait_for([&] { return !status(kOld).failure.empty(); }));
  EXPECT_NE(status(kOld).failure.find(GetParam().said), std::string::npos) << status(kOld).failure;
  EXPECT_NE(status(kOld).role, raft::ReplicaRole::leader);
  EXPECT_EQ(hash(kOld), before);

  // The others are a majority, and agree.
  execute(put_setting("after"));
  const std::uint64_t end = std::max(status(0).commit_index, status(1).commit_index);
  ASSERT_TRUE(
      wait_for([&] { return status(0).applied_index >= end && status(1).applied_index >= end; }));
  EXPECT_EQ(hash(0), hash(1));
  EXPECT_TRUE(status(0).failure.empty() && status(1).failure.empty());
  EXPECT_EQ(hash(kOld), before);

  // It comes no further by being started again.
  run_until_done(host_.loop, replicas_[kOld]->stop());
  replicas_[kOld].reset();
  open(kOld);
  ASSERT_TRUE(wait_for([&] { return !status(kOld).failure.empty(); }));
  EXPECT_NE(status(kOld).failure.find(GetParam().said), std::string::npos) << status(kOld).failure;
  EXPECT_EQ(hash(kOld), before);
}

INSTANTIATE_TEST_SUITE_P(Each, UnknownCommand, ::testing::ValuesIn(kUnknown),
                         [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace predastore::meta
