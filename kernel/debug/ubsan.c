/*
 * What GCC's undefined-behaviour sanitizer calls in the debug build: every finding is a panic that
 * names the place.  Each record begins with the place.
 */
#include "../kernel.h"

struct place {
	const char *file;
	uint32_t line, column;
};

#define HANDLER(name, text, ...)						\
	void __ubsan_handle_##name(const struct place *at __VA_OPT__(,) __VA_ARGS__);	\
	void __ubsan_handle_##name(const struct place *at __VA_OPT__(,) __VA_ARGS__)	\
	{									\
		panic("undefined: " text ", %s:%u", at->file, at->line);	\
	}

#pragma GCC diagnostic ignored "-Wunused-parameter"
HANDLER(add_overflow, "addition overflows", uint64_t a, uint64_t b)
HANDLER(sub_overflow, "subtraction overflows", uint64_t a, uint64_t b)
HANDLER(mul_overflow, "multiplication overflows", uint64_t a, uint64_t b)
HANDLER(negate_overflow, "negation overflows", uint64_t a)
HANDLER(divrem_overflow, "bad division", uint64_t a, uint64_t b)
HANDLER(shift_out_of_bounds, "bad shift", uint64_t a, uint64_t b)
HANDLER(out_of_bounds, "index out of bounds", uint64_t i)
HANDLER(type_mismatch_v1, "null or wrong pointer", uint64_t p)
HANDLER(builtin_unreachable, "unreachable place reached")
HANDLER(missing_return, "no value returned")
HANDLER(vla_bound_not_positive, "bad array length", uint64_t n)
HANDLER(load_invalid_value, "bad bool or enum", uint64_t v)
HANDLER(nonnull_arg, "null argument")
HANDLER(nonnull_return_v1, "null returned", const struct place *where)
HANDLER(pointer_overflow, "pointer overflows", uint64_t base, uint64_t result)
HANDLER(invalid_builtin, "bad argument of a builtin")
