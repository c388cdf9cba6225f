/*
 * The file server's 9P operations.  r->srv->aux is a sip_server whose priv is a struct iso_fs.
 */
#pragma once
#include <p9_srv.h>
#include "iso.h"

extern const struct p9_srv_ops iso_ops;
