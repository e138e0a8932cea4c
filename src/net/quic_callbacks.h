#pragma once

#include <ngtcp2/ngtcp2.h>

namespace predastore::net {

// What ngtcp2 calls; the user data is the QuicConnection, a stream's is its QuicStreamState. None
// of them may write packets or end the connection: they note what happened.
ngtcp2_callbacks quic_callbacks(bool is_server);

}  // namespace predastore::net
