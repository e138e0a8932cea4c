#pragma once

#include <boost/json.hpp>
#include <string>

#include "cli/admin_client.h"

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

std::string text_of(const boost::json::object& object, const char* key);
double number_of(const boost::json::object& object, const char* key);
std::string size_text(double bytes);

}  // namespace predastore::cli
