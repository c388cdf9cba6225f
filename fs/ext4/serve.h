/* The file server's 9P operations.  r->srv->aux is a sip_server whose priv is the ext4_fs. */
#pragma once
#include "ext4.h"
#include "sip.h"

extern const struct p9_srv_ops ext4_ops;
