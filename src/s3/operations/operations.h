#pragma once

#include "env/task.h"
#include "s3/call.h"

// One S3 operation a file. Each does what AWS's reference says of it, over the object store and the
// metadata; the gateway has authenticated and routed the request, and answers errors.
namespace predastore::s3 {

Task<S3Result<Reply>> list_buckets(Call& call);
Task<S3Result<Reply>> create_bucket(Call& call);
Task<S3Result<Reply>> delete_bucket(Call& call);
Task<S3Result<Reply>> head_bucket(Call& call);
Task<S3Result<Reply>> get_bucket_location(Call& call);
Task<S3Result<Reply>> list_objects(Call& call);  // both versions
Task<S3Result<Reply>> list_multipart_uploads(Call& call);
Task<S3Result<Reply>> delete_objects(Call& call);
Task<S3Result<Reply>> put_object(Call& call);
Task<S3Result<Reply>> copy_object(Call& call);
Task<S3Result<Reply>> get_object(Call& call);
Task<S3Result<Reply>> head_object(Call& call);
Task<S3Result<Reply>> get_object_attributes(Call& call);
Task<S3Result<Reply>> get_object_tagging(Call& call);
Task<S3Result<Reply>> put_object_tagging(Call& call);
Task<S3Result<Reply>> delete_object_tagging(Call& call);
Task<S3Result<Reply>> rename_object(Call& call);
Task<S3Result<Reply>> delete_object(Call& call);
Task<S3Result<Reply>> create_multipart_upload(Call& call);
Task<S3Result<Reply>> upload_part(Call& call);
Task<S3Result<Reply>> upload_part_copy(Call& call);
Task<S3Result<Reply>> complete_multipart_upload(Call& call);
Task<S3Result<Reply>> abort_multipart_upload(Call& call);
Task<S3Result<Reply>> list_parts(Call& call);

}  // namespace predastore::s3
