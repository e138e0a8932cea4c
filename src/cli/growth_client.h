#pragma once

#include <boost/json.hpp>
#include <string>

#include "cli/admin_client.h"
#include "cli/answer_fields.h"

namespace predastore::cli {

// Which cluster is meant, as all commands that talk to the administration have it.
struct ClusterChoice {
  std::string config_file;  // one of the two
  std::string directory;
  std::string output = "table";
  bool is_json() const { return output == "json"; }
};

// One request to the administration, its answer as JSON. On an error the message has been printed
// and `exit_code` is not 0.
struct GrowthAnswer {
  int exit_code = 0;
  std::string text;
  boost::json::object body;
};
GrowthAnswer ask_cluster(const ClusterChoice& cluster, std::string method, std::string target,
                         const boost::json::object& body = {});

// Sets what may be read a second; `rate` is as the user wrote it. The exit code.
int set_cluster_rate(const ClusterChoice& cluster, const std::string& target,
                     const std::string& rate);

}  // namespace predastore::cli
