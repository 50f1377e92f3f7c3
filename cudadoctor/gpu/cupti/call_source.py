"""The callbacks of calls in LLVM's language: CUPTI runs them when a call of CUDA begins and when it ends.

They use the function `@pool` of callback_source.
"""

from __future__ import annotations

from cudadoctor.gpu.cupti import pool

# gettid() by its number: older C libraries have no function for it. Source: the kernel's system call tables.
_GETTID = {
    "x86_64": ("syscall", "={rax},{rax},~{rcx},~{r11},~{memory}", 186),
    "aarch64": ("svc #0", "={x0},{x8},~{memory}", 178),
}

_CLOCK_MONOTONIC = 1

# CUpti_CallbackData of cupti_callbacks.h, 11 to 13: the call's arguments, where it puts its result, a word that is kept
# from its begin to its end, and its correlation.
_ARGUMENTS_AT, _RESULT_AT, _WORD_AT, _CORRELATION_AT = 16, 24, 56, 64


def source(layout: pool.Layout, machine: str) -> str:
    """Return the callbacks of calls in LLVM's language.

    `delay(user, domain, id, data)` notes the moment in which a call begins (its site is 0). Before the call returns it
    spins for the delay in the pool and counts, in those blocks of calls that `pool.delays` names.
    `mark(user, domain, id, data)` notes the moment in which a call begins.
    `call(user, domain, id, data)` keeps the moment in which a call begins in the word that CUPTI keeps for it, and
    writes a record of the call when it ends.
    """
    gettid, registers, gettid_number = _GETTID[machine]
    return f"""define void @delay(ptr %user, i32 %domain, i32 %id, ptr %data) {{
entry:
  %time = alloca [2 x i64]
  %site = load i32, ptr %data
  %enters = icmp eq i32 %site, 0
  %pool = call i64 @pool()
  %word_at = getelementptr i8, ptr %data, i64 {_WORD_AT}
  %word = load ptr, ptr %word_at
  br i1 %enters, label %begin, label %end
begin:
  %noted = call i64 @note(i64 %pool, ptr %time)
  store i64 %noted, ptr %word
  ret void
end:
  %number = load i64, ptr %word
  %block_address = add i64 %pool, {pool.DELAY_BLOCK_AT}
  %block_at = inttoptr i64 %block_address to ptr
  %block_calls = load i64, ptr %block_at
  %block = udiv i64 %number, %block_calls
  %mixed = mul i64 %block, {pool.DELAY_MIX}
  %top = lshr i64 %mixed, 63
  %delays = icmp ne i64 %top, 0
  br i1 %delays, label %hold, label %leave
hold:
  %delay_address = add i64 %pool, {pool.DELAY_NS_AT}
  %delay_at = inttoptr i64 %delay_address to ptr
  %wanted = load i64, ptr %delay_at
  %first = call i64 @now(i64 %pool, ptr %time)
  br label %spin
spin:
  %moment = call i64 @now(i64 %pool, ptr %time)
  %passed = sub i64 %moment, %first
  %enough = icmp uge i64 %passed, %wanted
  br i1 %enough, label %count, label %spin
count:
  %count_address = add i64 %pool, {pool.DELAYED_AT}
  %count_at = inttoptr i64 %count_address to ptr
  %ignored = atomicrmw add ptr %count_at, i64 1 seq_cst
  br label %leave
leave:
  ret void
}}

define void @mark(ptr %user, i32 %domain, i32 %id, ptr %data) {{
entry:
  %time = alloca [2 x i64]
  %site = load i32, ptr %data
  %enters = icmp eq i32 %site, 0
  br i1 %enters, label %begin, label %leave
begin:
  %pool = call i64 @pool()
  %ignored = call i64 @note(i64 %pool, ptr %time)
  br label %leave
leave:
  ret void
}}

define internal i64 @note(i64 %pool, ptr %time) {{
entry:
  %moment = call i64 @now(i64 %pool, ptr %time)
  %count_address = add i64 %pool, {pool.MARKED_AT}
  %count_at = inttoptr i64 %count_address to ptr
  %number = atomicrmw add ptr %count_at, i64 1 seq_cst
  %fits = icmp ult i64 %number, {layout.marks}
  br i1 %fits, label %keep, label %leave
keep:
  %offset = mul i64 %number, {pool.MARK_BYTES}
  %in_pool = add i64 %offset, {layout.slots_at}
  %address = add i64 %pool, %in_pool
  %at = inttoptr i64 %address to ptr
  store i64 %moment, ptr %at
  br label %leave
leave:
  ret i64 %number
}}

define void @call(ptr %user, i32 %domain, i32 %id, ptr %data) {{
entry:
  %time = alloca i64
  %pool = call i64 @pool()
  %site = load i32, ptr %data
  %enters = icmp eq i32 %site, 0
  %word_at = getelementptr i8, ptr %data, i64 {_WORD_AT}
  %word = load ptr, ptr %word_at
  br i1 %enters, label %begin, label %end
begin:
  %begins = call i64 @stamp(i64 %pool, ptr %time)
  store i64 %begins, ptr %word
  ret void
end:
  %ends = call i64 @stamp(i64 %pool, ptr %time)
  %began = load i64, ptr %word
  %count_address = add i64 %pool, {pool.CALLED_AT}
  %count_at = inttoptr i64 %count_address to ptr
  %number = atomicrmw add ptr %count_at, i64 1 seq_cst
  %fits = icmp ult i64 %number, {layout.calls}
  br i1 %fits, label %note, label %leave
note:
  %offset = mul i64 %number, {pool.CALL_BYTES}
  %in_pool = add i64 %offset, {layout.calls_at}
  %address = add i64 %pool, %in_pool
  %id_address = add i64 %address, 16
  %id_at = inttoptr i64 %id_address to ptr
  store i32 %id, ptr %id_at
  %thread = call i32 @thread(i64 %pool)
  %thread_address = add i64 %address, 20
  %thread_at = inttoptr i64 %thread_address to ptr
  store i32 %thread, ptr %thread_at
  %correlation_from = getelementptr i8, ptr %data, i64 {_CORRELATION_AT}
  %correlation = load i32, ptr %correlation_from
  %correlation_address = add i64 %address, 24
  %correlation_at = inttoptr i64 %correlation_address to ptr
  store i32 %correlation, ptr %correlation_at
  %result_from = getelementptr i8, ptr %data, i64 {_RESULT_AT}
  %result_at = load ptr, ptr %result_from
  %result = load i32, ptr %result_at
  %kept_address = add i64 %address, 28
  %kept_at = inttoptr i64 %kept_address to ptr
  store i32 %result, ptr %kept_at
  %arguments_from = getelementptr i8, ptr %data, i64 {_ARGUMENTS_AT}
  %arguments = load ptr, ptr %arguments_from
  %has_arguments = icmp ne ptr %arguments, null
  br i1 %has_arguments, label %argue, label %close
argue:
  %argument = load i64, ptr %arguments
  %argument_address = add i64 %address, 32
  %argument_at = inttoptr i64 %argument_address to ptr
  store i64 %argument, ptr %argument_at
  br label %close
close:
  %start_at = inttoptr i64 %address to ptr
  store i64 %began, ptr %start_at
  %end_address = add i64 %address, 8
  %end_at = inttoptr i64 %end_address to ptr
  store atomic i64 %ends, ptr %end_at release, align 8
  br label %leave
leave:
  ret void
}}

define internal i32 @thread(i64 %pool) {{
entry:
  %offset_address = add i64 %pool, {pool.TID_IN_SELF_AT}
  %offset_at = inttoptr i64 %offset_address to ptr
  %offset = load i64, ptr %offset_at
  %known = icmp ne i64 %offset, 0
  br i1 %known, label %read, label %ask
read:
  %self_address = add i64 %pool, {pool.SELF_AT}
  %self_at = inttoptr i64 %self_address to ptr
  %self_number = load i64, ptr %self_at
  %self = inttoptr i64 %self_number to ptr
  %here = call i64 %self()
  %tid_address = add i64 %here, %offset
  %tid_at = inttoptr i64 %tid_address to ptr
  %kept = load i32, ptr %tid_at
  ret i32 %kept
ask:
  %asked = call i64 asm sideeffect "{gettid}", "{registers}"(i64 {gettid_number})
  %number = trunc i64 %asked to i32
  ret i32 %number
}}

define internal i64 @stamp(i64 %pool, ptr %time) {{
  %stamp_address = add i64 %pool, {pool.STAMP_AT}
  %stamp_at = inttoptr i64 %stamp_address to ptr
  %stamp_number = load i64, ptr %stamp_at
  %stamp = inttoptr i64 %stamp_number to ptr
  %ignored = call i32 %stamp(ptr %time)
  %now = load i64, ptr %time
  ret i64 %now
}}

define internal i64 @now(i64 %pool, ptr %time) {{
  %clock_address = add i64 %pool, {pool.CLOCK_AT}
  %clock_at = inttoptr i64 %clock_address to ptr
  %clock_number = load i64, ptr %clock_at
  %clock = inttoptr i64 %clock_number to ptr
  %ignored = call i32 %clock(i32 {_CLOCK_MONOTONIC}, ptr %time)
  %nanoseconds_at = getelementptr [2 x i64], ptr %time, i64 0, i64 1
  %seconds = load i64, ptr %time
  %nanoseconds = load i64, ptr %nanoseconds_at
  %scaled = mul i64 %seconds, 1000000000
  %now = add i64 %scaled, %nanoseconds
  ret i64 %now
}}
"""
