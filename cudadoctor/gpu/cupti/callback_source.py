"""The callbacks in LLVM's language.

The code finds the pool by its own address: its mapping begins at a multiple of `ALIGNMENT`, with the pool's address in
its first eight bytes and the code behind them.
"""

from __future__ import annotations

from cudadoctor.gpu.cupti import call_source, pool

ALIGNMENT = 1 << 16

TRIPLES = {"x86_64": "x86_64-unknown-linux-gnu", "aarch64": "aarch64-unknown-linux-gnu"}
_HERE = {"x86_64": "leaq 0(%rip), $0", "aarch64": "adr $0, ."}

_KERNEL_NAME_AT, _MARKER_NAME_AT = 104, 40
"""Where a record of a kernel and one of an NVTX marker keep the pointer to their names (cupti_activity.h, 11 to 13)."""


def source(layout: pool.Layout, machine: str) -> str:
    """Return the callbacks in LLVM's language.

    `requested(uint8_t **buffer, size_t *size, size_t *records)` hands out the next slot, or none when all are taken.
    `completed(ctx, stream, uint8_t *buffer, size_t size, size_t valid)` walks the records with
    cuptiActivityGetNextRecord, notes the size of each kind and copies names that are new, and then notes `valid`.
    The callbacks of calls (`delay`, `mark`, `call`) follow from call_source.
    """
    last = pool.HASH_ENTRIES - 1
    return f"""
target triple = "{TRIPLES[machine]}"

define internal i64 @pool() alwaysinline {{
  %here = call i64 asm "{_HERE[machine]}", "=r"()
  %base = and i64 %here, -{ALIGNMENT}
  %at = inttoptr i64 %base to ptr
  %pool = load i64, ptr %at
  ret i64 %pool
}}

define void @requested(ptr %buffer, ptr %size, ptr %records) {{
  %pool = call i64 @pool()
  store i64 0, ptr %records
  %taken_at = add i64 %pool, {pool.TAKEN_AT}
  %taken = inttoptr i64 %taken_at to ptr
  %slot = atomicrmw add ptr %taken, i64 1 seq_cst
  %there = icmp ult i64 %slot, {layout.slots}
  br i1 %there, label %give, label %none
give:
  %offset = mul i64 %slot, {pool.SLOT_BYTES}
  %in_pool = add i64 %offset, {layout.slots_at}
  %address = add i64 %pool, %in_pool
  store i64 %address, ptr %buffer
  store i64 {pool.SLOT_BYTES}, ptr %size
  ret void
none:
  store i64 0, ptr %buffer
  store i64 0, ptr %size
  ret void
}}

define internal void @remember(i64 %pool, i64 %name) {{
entry:
  %nothing = icmp eq i64 %name, 0
  br i1 %nothing, label %done, label %hash
hash:
  %mixed = mul i64 %name, -7046029254386353131
  %first = lshr i64 %mixed, 40
  br label %probe
probe:
  %tries = phi i64 [ 0, %hash ], [ %next_try, %onward ]
  %place = add i64 %first, %tries
  %entry_number = and i64 %place, {last}
  %entry_offset = mul i64 %entry_number, 16
  %entry_in_pool = add i64 %entry_offset, {layout.hash_at}
  %entry_address = add i64 %pool, %entry_in_pool
  %key = inttoptr i64 %entry_address to ptr
  %old = cmpxchg ptr %key, i64 0, i64 %name seq_cst seq_cst
  %found = extractvalue {{ i64, i1 }} %old, 0
  %fresh = extractvalue {{ i64, i1 }} %old, 1
  br i1 %fresh, label %measure, label %taken
taken:
  %same = icmp eq i64 %found, %name
  br i1 %same, label %done, label %onward
onward:
  %next_try = add i64 %tries, 1
  %tried_all = icmp ugt i64 %next_try, {last}
  br i1 %tried_all, label %lost, label %probe
measure:
  %length = phi i64 [ 0, %probe ], [ %longer, %count ]
  %char_address = add i64 %name, %length
  %char_at = inttoptr i64 %char_address to ptr
  %char = load i8, ptr %char_at
  %is_end = icmp eq i8 %char, 0
  %too_long = icmp uge i64 %length, 1023
  %stop = or i1 %is_end, %too_long
  br i1 %stop, label %reserve, label %count
count:
  %longer = add i64 %length, 1
  br label %measure
reserve:
  %needed = add i64 %length, 1
  %used_address = add i64 %pool, {pool.NAMES_USED_AT}
  %used_at = inttoptr i64 %used_address to ptr
  %used = atomicrmw add ptr %used_at, i64 %needed seq_cst
  %after = add i64 %used, %needed
  %fits = icmp ule i64 %after, {pool.NAME_BYTES}
  br i1 %fits, label %copy, label %lost
copy:
  %copied = phi i64 [ 0, %reserve ], [ %copied_more, %copy_one ]
  %all = icmp uge i64 %copied, %length
  br i1 %all, label %publish, label %copy_one
copy_one:
  %from_address = add i64 %name, %copied
  %from = inttoptr i64 %from_address to ptr
  %byte = load i8, ptr %from
  %to_offset = add i64 %used, %copied
  %to_in_pool = add i64 %to_offset, {layout.names_at}
  %to_address = add i64 %pool, %to_in_pool
  %to = inttoptr i64 %to_address to ptr
  store volatile i8 %byte, ptr %to
  %copied_more = add i64 %copied, 1
  br label %copy
publish:
  %where = add i64 %used, 1
  %value_address = add i64 %entry_address, 8
  %value = inttoptr i64 %value_address to ptr
  store atomic i64 %where, ptr %value release, align 8
  ret void
lost:
  %lost_address = add i64 %pool, {pool.NAMES_LOST_AT}
  %lost_at = inttoptr i64 %lost_address to ptr
  %ignored = atomicrmw add ptr %lost_at, i64 1 seq_cst
  ret void
done:
  ret void
}}

define internal void @note_size(i64 %pool, i32 %kind, i64 %size) {{
  %known = icmp ult i32 %kind, {pool.KINDS}
  br i1 %known, label %store, label %done
store:
  %wide = zext i32 %kind to i64
  %offset = mul i64 %wide, 4
  %in_pool = add i64 %offset, {layout.sizes_at}
  %address = add i64 %pool, %in_pool
  %at = inttoptr i64 %address to ptr
  %short = trunc i64 %size to i32
  store i32 %short, ptr %at
  br label %done
done:
  ret void
}}

define void @completed(ptr %context, i32 %stream, i64 %buffer, i64 %size, i64 %valid) {{
entry:
  %record = alloca i64
  store i64 0, ptr %record
  %pool = call i64 @pool()
  %first_slot = add i64 %pool, {layout.slots_at}
  %offset = sub i64 %buffer, %first_slot
  %slot = udiv i64 %offset, {pool.SLOT_BYTES}
  %ours = icmp ult i64 %slot, {layout.slots}
  br i1 %ours, label %begin, label %leave
begin:
  %next_address = add i64 %pool, {pool.NEXT_RECORD_AT}
  %next_at = inttoptr i64 %next_address to ptr
  %next_number = load i64, ptr %next_at
  %next = inttoptr i64 %next_number to ptr
  %buffer_end = add i64 %buffer, %valid
  br label %walk
walk:
  %count = phi i64 [ 0, %begin ], [ %more, %named ]
  %before = phi i64 [ 0, %begin ], [ %at, %named ]
  %kind_before = phi i32 [ 0, %begin ], [ %kind, %named ]
  %result = call i32 %next(i64 %buffer, i64 %valid, ptr %record)
  %there = icmp eq i32 %result, 0
  br i1 %there, label %look, label %after
look:
  %at = load i64, ptr %record
  %kind_at = inttoptr i64 %at to ptr
  %kind = load i32, ptr %kind_at
  %more = add i64 %count, 1
  %is_first = icmp eq i64 %before, 0
  br i1 %is_first, label %name, label %sized
sized:
  %distance = sub i64 %at, %before
  call void @note_size(i64 %pool, i32 %kind_before, i64 %distance)
  br label %name
name:
  switch i32 %kind, label %named [
    i32 3, label %kernel
    i32 10, label %kernel
    i32 12, label %marker
  ]
kernel:
  %kernel_name_at = add i64 %at, {_KERNEL_NAME_AT}
  br label %pointer
marker:
  %marker_name_at = add i64 %at, {_MARKER_NAME_AT}
  br label %pointer
pointer:
  %pointer_at = phi i64 [ %kernel_name_at, %kernel ], [ %marker_name_at, %marker ]
  %pointer_to = inttoptr i64 %pointer_at to ptr
  %text = load i64, ptr %pointer_to
  call void @remember(i64 %pool, i64 %text)
  br label %named
named:
  br label %walk
after:
  %any = icmp ne i64 %before, 0
  br i1 %any, label %last, label %finish
last:
  %last_size = sub i64 %buffer_end, %before
  call void @note_size(i64 %pool, i32 %kind_before, i64 %last_size)
  br label %finish
finish:
  %records_address = add i64 %pool, {pool.RECORDS_AT}
  %records_at = inttoptr i64 %records_address to ptr
  %ignored = atomicrmw add ptr %records_at, i64 %count seq_cst
  %completed_address = add i64 %pool, {pool.COMPLETED_AT}
  %completed_at = inttoptr i64 %completed_address to ptr
  %ignored_too = atomicrmw add ptr %completed_at, i64 1 seq_cst
  %slot_offset = mul i64 %slot, 8
  %slot_in_pool = add i64 %slot_offset, {pool.TABLE_AT}
  %slot_address = add i64 %pool, %slot_in_pool
  %slot_at = inttoptr i64 %slot_address to ptr
  store atomic i64 %valid, ptr %slot_at release, align 8
  br label %leave
leave:
  ret void
}}

{call_source.source(layout, machine)}"""
