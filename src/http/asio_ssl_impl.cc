// The compiled part of Boost.Asio's TLS, once for the whole program
// (BOOST_ASIO_SEPARATE_COMPILATION).
#include <boost/asio/ssl/impl/src.hpp>
