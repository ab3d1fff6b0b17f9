/* parcel.c -- see parcel.h. */
#include "lua/parcel.h"

#include "base/err.h"
#include "lua/host.h"
#include "lua/value.h"
#include "store/codec.h"

static const char *const argument_names[] = {
	"argument 1", "argument 2", "argument 3", "argument 4", "argument 5", "argument 6", "argument 7", "argument 8"
};

static const char *
name_of(int i, enum parcel_kind kind)
{
	if (kind == PARCEL_RESULTS)
		return i == 0 ? "the result" : "a result";
	return i < 8 ? argument_names[i] : "an argument";
}

static int
check_count(int n, enum parcel_kind kind)
{
	if (n <= HOST_VALUES_MAX)
		return OK;
	if (kind == PARCEL_RESULTS)
		return err_set(ERR_LIMIT, "%d values returned: a call gives at most %d; return them in a table", n, HOST_VALUES_MAX);
	return err_set(ERR_LIMIT, "%d arguments: a call takes at most %d; pass them in a table", n, HOST_VALUES_MAX);
}

static int
check_size(const struct vm *vm)
{
	uint64_t max = vm->app->conf->limits.rpc_message;

	return vm->scratch.n <= max ? OK : host_over_message(vm->app->conf, vm->scratch.n);
}

int
parcel_pack(lua_State *L, int first, int n, struct task *by, enum parcel_kind kind)
{
	struct vm *vm = by->vm;
	int rc = check_count(n, kind);

	buf_clear(&vm->scratch);
	references_clear(&vm->lent);	/* of one that raised in the middle */
	if (rc == OK)
		codec_array(&vm->scratch, (uint32_t)n);
	for (int i = 0; rc == OK && i < n; i++)
		rc = value_encode_call(L, first + i, &vm->scratch, name_of(i, kind), by);
	if (rc == OK)
		rc = check_size(vm);
	if (rc != OK)
		references_clear(&vm->lent);
	return rc;
}

void
parcel_send(struct vm *vm, struct event *ev, enum parcel_kind kind)
{
	struct str bytes = arena_str(&ev->arena, buf_slice(&vm->scratch));

	if (kind == PARCEL_RESULTS)
		ev->result = bytes;
	else
		ev->args = bytes;
	references_move(&ev->arena, kind == PARCEL_RESULTS ? &ev->returned : &ev->lent, &vm->lent);
}

int
parcel_open(lua_State *to, struct str bytes, const struct references *lent, struct list *owner)
{
	struct codec_item head;
	int rc;

	if (bytes.n == 0)
		return 0;
	rc = codec_read(&bytes, &head);
	if (rc != OK)
		return rc;
	if (head.type != CODEC_ARRAY || head.count > HOST_VALUES_MAX)
		return err_set(ERR_ARGUMENT, "the values of this call cannot be read");
	must(lua_checkstack(to, HOST_VALUES_MAX + 8));
	for (uint32_t i = 0; i < head.count; i++)
		if ((rc = value_push_call(to, &bytes, lent, owner)) != OK)
			return rc;
	return (int)head.count;
}
