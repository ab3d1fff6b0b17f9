/* h2o.h -- libh2o, always as the build we link: its own event loop, no libuv.
 *
 * Without the macro its headers quietly declare other structures than the
 * library has.
 */
#ifndef DREY_NET_H2O_H
#define DREY_NET_H2O_H

#ifndef H2O_USE_LIBUV
#define H2O_USE_LIBUV 0
#endif

#include <h2o.h>
#include <h2o/http1.h>

#endif
