// Jobs in the metadata, and what they change there.
#include "meta/testing/meta_fixture.h"

namespace predastore::meta {
namespace {

class MetaJobs : public MetaTest {
 protected:
  Growth& growth() { return meta_->service().growth(); }
  Result<JobRecord> start_job(const std::string& argument) {
    return run(growth().start_job(JobKind::rs_migrate, argument, soon()));
  }
  Result<JobRecord> claim(const JobRecord& job, std::uint64_t worker) {
    return run(growth().claim_job(job.id, job.claim, NodeId{worker}, soon()));
  }
  Result<JobRecord> report(const JobRecord& job, JobState state, std::uint64_t items) {
    JobProgress progress;
    progress.items_done = items;
    progress.cursor = "b/k";
    return run(growth().report_job(job.id, job.claim, state, progress, soon()));
  }
  // One part of the object under another id, as a migration does it.
  MoveParts move_of(const std::string& key, ObjectRecord record, RsConfig rs) {
    WriteContext into = context();
    into.bucket.rs = rs;
    MoveParts command;
    command.bucket = "b";
    command.key = key;
    command.incarnation = record.incarnation;
    command.write_epoch = into.write_epoch;
    for (ObjectPart& part : record.parts) {
      const ObjectId from = part.object_id;
      part.object_id = objects_.next_id();
      command.moves.push_back({from, part.object_id});
      for (ChunkLayout& layout : objects_.layouts(part, into))
        command.layouts.push_back(std::move(layout));
    }
    return command;
  }
  std::size_t garbage_chunks() {
    run(meta_->advance(3));
    std::size_t count = 0;
    const auto items = run(service().garbage_queue(100, soon())).value();
    for (const GarbageItem& item : items) count += item.layouts.size();
    return count;
  }
};

TEST_F(MetaJobs, one_job_of_a_kind_and_argument_at_a_time) {
  const JobRecord first = start_job("b").value();
  EXPECT_EQ(first.id, JobId{1});
  EXPECT_EQ(code_of(start_job("b")), ErrorCode::AlreadyExists);
  EXPECT_EQ(start_job("c")->id, JobId{2});
  ASSERT_TRUE(run(growth().set_job_state(first.id, JobState::cancelled, soon())));
  EXPECT_EQ(start_job("b")->id, JobId{3});
  EXPECT_EQ(run(growth().jobs(soon()))->size(), 3U);
}

TEST_F(MetaJobs, a_job_is_claimed_by_one_worker_and_taken_over_by_comparison) {
  const JobRecord job = start_job("b").value();
  const JobRecord first = claim(job, 1).value();
  EXPECT_EQ(first.worker, NodeId{1});
  EXPECT_EQ(code_of(claim(job, 2)), ErrorCode::Conflict);  // saw the job before the first claim
  ASSERT_TRUE(report(first, JobState::running, 5));
  const JobRecord second = claim(first, 2).value();
  EXPECT_EQ(second.progress.items_done, 5U);
  EXPECT_EQ(second.progress.cursor, "b/k");
  EXPECT_EQ(code_of(report(first, JobState::done, 6)), ErrorCode::Conflict);
  ASSERT_TRUE(report(second, JobState::done, 7));
  EXPECT_EQ(run(growth().jobs(soon()))->front().state, JobState::done);
}

TEST_F(MetaJobs, a_paused_job_takes_a_last_report_and_cannot_be_claimed) {
  const JobRecord job = claim(start_job("b").value(), 1).value();
  ASSERT_TRUE(run(growth().set_job_state(job.id, JobState::paused, soon())));
  EXPECT_EQ(report(job, JobState::running, 9)->state, JobState::paused);
  EXPECT_EQ(code_of(claim(job, 2)), ErrorCode::Conflict);
  ASSERT_TRUE(run(growth().set_job_state(job.id, JobState::running, soon())));
  EXPECT_EQ(claim(job, 2)->progress.items_done, 9U);
  ASSERT_TRUE(run(growth().set_job_state(job.id, JobState::cancelled, soon())));
  EXPECT_EQ(code_of(run(growth().set_job_state(job.id, JobState::running, soon()))),
            ErrorCode::Conflict);
}

TEST_F(MetaJobs, a_job_that_failed_runs_again_from_where_it_was_unless_a_later_one_does) {
  const JobRecord job = claim(start_job("b").value(), 1).value();
  const auto set = [this](JobId id, JobState state) {
    return run(growth().set_job_state(id, state, soon()));
  };
  ASSERT_TRUE(report(job, JobState::failed, 9));
  EXPECT_EQ(code_of(set(job.id, JobState::paused)), ErrorCode::Conflict);
  ASSERT_TRUE(set(job.id, JobState::running));
  const JobRecord again = claim(job, 2).value();
  EXPECT_EQ(again.progress.cursor, "b/k");
  EXPECT_EQ(code_of(start_job("b")), ErrorCode::AlreadyExists);
  ASSERT_TRUE(report(again, JobState::failed, 10));
  ASSERT_TRUE(start_job("b"));
  EXPECT_EQ(code_of(set(job.id, JobState::running)), ErrorCode::Conflict);
  const JobRecord other = claim(start_job("c").value(), 1).value();
  ASSERT_TRUE(report(other, JobState::failed, 0));
  ASSERT_TRUE(set(other.id, JobState::cancelled));
  EXPECT_EQ(code_of(set(other.id, JobState::running)), ErrorCode::Conflict);
}

TEST_F(MetaJobs, ids_are_counted_on_when_old_jobs_are_forgotten) {
  for (std::uint64_t i = 1; i <= 130; ++i) {
    const JobRecord job = start_job("b").value();
    ASSERT_EQ(job.id, JobId{i});
    ASSERT_TRUE(run(growth().set_job_state(job.id, JobState::cancelled, soon())));
  }
  EXPECT_LE(run(growth().jobs(soon()))->size(), 102U);
}

TEST_F(MetaJobs, moved_parts_change_nothing_that_a_user_sees) {
  const ObjectRecord before = put("k", 2500).value();
  ASSERT_TRUE(run(growth().move_parts(move_of("k", before, {1, 1}), soon())));
  ObjectAndLayouts after = get("k").value();
  EXPECT_EQ(after.layouts.size(), 3U);
  EXPECT_EQ(after.layouts.front().rs, (RsConfig{1, 1}));
  EXPECT_NE(after.record.parts.front().object_id, before.parts.front().object_id);
  after.record.parts.front().object_id = before.parts.front().object_id;
  EXPECT_EQ(after.record, before);
  EXPECT_EQ(garbage_chunks(), 3U);  // the old ones
}

TEST_F(MetaJobs, parts_that_were_replaced_meanwhile_are_left_alone) {
  const ObjectRecord before = put("k", 2500).value();
  MoveParts command = move_of("k", before, {1, 1});
  const ObjectRecord newer = put("k", 700).value();
  EXPECT_EQ(code_of(run(growth().move_parts(command, soon()))), ErrorCode::Conflict);
  EXPECT_EQ(get("k")->record, newer);
  ASSERT_TRUE(erase("k"));
  EXPECT_EQ(code_of(run(growth().move_parts(command, soon()))), ErrorCode::NotFound);
}

TEST_F(MetaJobs, a_part_of_an_upload_is_moved_and_completed_under_its_new_id) {
  UploadRecord upload;
  upload.bucket = "b";
  upload.key = "k";
  upload.incarnation = context().bucket.incarnation;
  upload = run(service().create_upload(upload, soon())).value();
  const PutPart sent = objects_.put_part(upload, 1, 1500, context());
  ASSERT_TRUE(run(service().put_part(sent, soon())));
  ObjectRecord as_object;
  as_object.incarnation = upload.incarnation;
  as_object.parts.push_back(sent.part);
  MoveParts command = move_of("k", as_object, {1, 1});
  command.upload_id = upload.upload_id;
  ASSERT_TRUE(run(growth().move_parts(command, soon())));
  const auto page = run(service().list_parts("b", "k", upload.upload_id, 0, 10, soon())).value();
  ASSERT_EQ(page.parts.size(), 1U);
  EXPECT_EQ(page.parts.front().part.object_id, command.moves.front().to);
  EXPECT_EQ(page.parts.front().part.etag_md5, sent.part.etag_md5);
}

TEST_F(MetaJobs, a_scheme_wider_than_the_ring_is_refused) {
  const auto set = [this](const std::string& bucket, RsConfig rs) {
    BucketOptions options;
    options.bucket = bucket;
    options.rs = rs;
    return run(service().set_bucket_options(options, soon()));
  };
  EXPECT_EQ(code_of(set("b", {3, 2})), ErrorCode::Conflict);
  EXPECT_EQ(code_of(set("b", {0, 2})), ErrorCode::InvalidArgument);
  EXPECT_EQ(code_of(set("x", {1, 1})), ErrorCode::NotFound);
  ASSERT_TRUE(set("b", {1, 2}));
  EXPECT_EQ(context().bucket.rs, (RsConfig{1, 2}));
}

}  // namespace
}  // namespace predastore::meta
