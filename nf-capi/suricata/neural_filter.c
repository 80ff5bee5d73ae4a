/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A plugin for Suricata 8 and later: each flow carries a session of neural-filter, and every EVE record of a flow an object `nf` with what the
 * detector says of it.
 *
 * Copyright (C) the neural-filter authors. This program is free software: it may be used, changed and passed on under the terms of the GNU
 * General Public License as published by the Free Software Foundation, version 2 or, as you like, any later one. It comes without any warranty.
 * The licence stands in COPYING beside this file; it is that of this folder alone.
 *
 * suricata.yaml:
 *
 *   plugins:
 *     - /usr/lib/suricata/neural_filter.so
 *   neural-filter:
 *     model: /etc/suricata/office.nf
 *     memory-limit: 128mb            # of each worker; by default that of the model's training
 *     explain-per-second: 20         # of each worker; reasons take 1 to 3 ms each; of a capture in packet time
 */
#include "suricata-common.h"
#include "suricata-plugin.h"

#include "conf.h"
#include "decode.h"
#include "flow-callbacks.h"
#include "flow-storage.h"
#include "flow.h"
#include "output-eve.h"
#include "rust.h"
#include "thread-callbacks.h"
#include "thread-storage.h"
#include "util-debug.h"
#include "util-misc.h"
#include "util-time.h"

#include <nf.h>

#ifdef NF_SURICATA_9
#define FlowStorageId SCFlowStorageId
#define ThreadStorageId SCThreadStorageId
#define FlowGetStorageById SCFlowGetStorageById
#define FlowSetStorageById SCFlowSetStorageById
#define ThreadGetStorageById SCThreadGetStorageById
#define ThreadSetStorageById SCThreadSetStorageById
#define RegisterFlowStorage(free) SCFlowStorageRegister("neural-filter", free)
#define RegisterThreadStorage(free) SCThreadStorageRegister("neural-filter", free)
#else
#define RegisterFlowStorage(free) FlowStorageRegister("neural-filter", sizeof(void *), NULL, free)
#define RegisterThreadStorage(free) ThreadStorageRegister("neural-filter", sizeof(void *), NULL, free)
#endif

/* Most facts told of an anomaly. */
#define REASONS 3

/* Most anomalies explained in a second, by each worker: what flows wait for behind its lock. */
#define EXPLAIN_PER_SECOND 20

/* What the flows of a thread share. Suricata ends and logs flows from threads of its own as well, hence the lock; and those may outlive the
 * thread, so it is freed by whoever lets go of it last. */
struct Worker {
    SCMutex lock;
    nf_context *context;
    SC_ATOMIC_DECLARE(uint32_t, users);
    /* The second of its latest packet, and how many anomalies were explained in which second, behind the lock. */
    uint64_t packet_second, explain_second, explained;
    /* Whether its memory ran out once, which was said. */
    bool full;
};

/* What a flow carries. All of it is behind its worker's lock. */
struct FlowSession {
    struct Worker *worker;
    nf_session *session;
    /* What was last said, at how many packets, and whether at its end. */
    nf_verdict verdict;
    uint64_t packets, judged_at;
    bool judged_at_end;
    /* Why it is an anomaly: asked once, when it first was one and there was time. They stay until the flow is freed. */
    bool explained;
    char *reasons[REASONS];
    int reason_count;
};

static FlowStorageId flow_storage = {.id = -1};
static ThreadStorageId thread_storage = {.id = -1};
static nf_detector *detector;
static uint64_t memory_limit, explain_per_second = EXPLAIN_PER_SECOND;

/* A flow that goes on is judged from so many packets on, as the engine itself first looks at a session then: what it was calibrated on
 * says nothing of a flow of which less is known. */
static uint64_t first_look = UINT64_MAX;

static bool Ok(nf_status status, const char *what)
{
    if (status >= 0)
        return true;
    SCLogError("neural-filter: %s: %s: %s", what, nf_status_name(status), nf_last_error());
    return false;
}

static void WorkerRelease(void *ptr)
{
    struct Worker *worker = ptr;
    if (worker == NULL || SC_ATOMIC_SUB(worker->users, 1) != 1)
        return;
    nf_context_free(worker->context);
    SCMutexDestroy(&worker->lock);
    SCFree(worker);
}

static void FlowSessionFree(void *ptr)
{
    struct FlowSession *flow = ptr;
    if (flow == NULL)
        return;
    nf_session_free(flow->session);
    for (int i = 0; i < flow->reason_count; i++)
        SCFree(flow->reasons[i]);
    WorkerRelease(flow->worker);
    SCFree(flow);
}

static nf_status NewContext(nf_context **context)
{
    nf_session_config sessions = NF_SESSION_CONFIG_INIT;
    nf_monitor_config config = NF_MONITOR_CONFIG_INIT;
    sessions.memory_limit = memory_limit;
    config.sessions = &sessions;
    return nf_context_new(detector, &config, context);
}

/* The worker of this thread, made with its first flow. */
static struct Worker *WorkerOf(ThreadVars *tv)
{
    struct Worker *worker = ThreadGetStorageById(tv, thread_storage);
    if (worker != NULL)
        return worker;
    worker = SCCalloc(1, sizeof(*worker));
    if (worker == NULL)
        return NULL;
    SCMutexInit(&worker->lock, NULL);
    SC_ATOMIC_INIT(worker->users);
    SC_ATOMIC_SET(worker->users, 1);
    if (!Ok(NewContext(&worker->context), "context") || ThreadSetStorageById(tv, thread_storage, worker) != 0) {
        WorkerRelease(worker);
        return NULL;
    }
    return worker;
}

static void OnFlowInit(ThreadVars *tv, Flow *f, const Packet *p, void *user)
{
    struct Worker *worker = WorkerOf(tv);
    if (worker == NULL)
        return;
    struct FlowSession *flow = SCCalloc(1, sizeof(*flow));
    if (flow == NULL)
        return;
    flow->worker = worker;
    (void)SC_ATOMIC_ADD(worker->users, 1);
    flow->verdict = (nf_verdict)NF_VERDICT_INIT;
    if (!Ok(nf_session_new(&flow->session), "session") || FlowSetStorageById(f, flow_storage, flow) != 0)
        FlowSessionFree(flow);
}

static void OnFlowUpdate(ThreadVars *tv, Flow *f, Packet *p, void *user)
{
    struct FlowSession *flow = FlowGetStorageById(f, flow_storage);
    /* Errors of ICMP travel with the flow that they are about; Suricata's own packets were never on the wire. */
    if (flow == NULL || p->proto != f->proto || PKT_IS_PSEUDOPKT(p))
        return;
    const uint8_t *ip = PacketIsIPv4(p) ? (const uint8_t *)PacketGetIPv4(p)
                        : PacketIsIPv6(p) ? (const uint8_t *)PacketGetIPv6(p)
                                          : NULL;
    const uint8_t *end = GET_PKT_DATA(p) + GET_PKT_LEN(p);
    if (ip == NULL || ip >= end)
        return;
    const int64_t time_ns = (int64_t)SCTIME_SECS(p->ts) * 1000000000 + (int64_t)SCTIME_USECS(p->ts) * 1000;
    struct Worker *worker = flow->worker;
    SCMutexLock(&worker->lock);
    if (nf_session_push_ip(worker->context, flow->session, ip, (uint32_t)(end - ip), GET_PKT_LEN(p), time_ns) == NF_OK)
        flow->packets++;
    worker->packet_second = MAX(worker->packet_second, (uint64_t)SCTIME_SECS(p->ts));
    SCMutexUnlock(&worker->lock);
}

/* Why the flow that was judged last is an anomaly, under its worker's lock: once for each flow, and so many in a second. The second is that
 * of the worker, not of the flow: many flows are logged together, in no order of time. */
static void Explain(struct FlowSession *flow)
{
    struct Worker *worker = flow->worker;
    const uint64_t second = TimeModeIsLive() ? (uint64_t)SCTIME_SECS(TimeGet()) : worker->packet_second;
    if (worker->explain_second != second) {
        worker->explain_second = second;
        worker->explained = 0;
    }
    nf_explanation *why;
    if (flow->explained || worker->explained >= explain_per_second)
        return;
    worker->explained++;
    flow->explained = true;
    if (nf_context_explain(worker->context, &why) != NF_OK)
        return;
    nf_fact fact = NF_FACT_INIT;
    for (size_t i = 0; flow->reason_count < REASONS && nf_explanation_fact(why, i, &fact) == NF_OK; i++) {
        char *sentence = *fact.sentence != '\0' ? SCStrdup(fact.sentence) : NULL;
        if (sentence != NULL)
            flow->reasons[flow->reason_count++] = sentence;
    }
    nf_explanation_free(why);
}

/* What is said of a flow as it is, under its worker's lock; false where there is nothing to say. */
static bool Judge(struct FlowSession *flow, bool ended)
{
    if (flow->packets == 0 || (!ended && flow->packets < first_look))
        return false;
    /* Silence tells too: one that ended is judged anew, once. */
    if (flow->judged_at == flow->packets && (!ended || flow->judged_at_end))
        return true;
    const nf_status status = nf_session_judge(flow->worker->context, flow->session, &flow->verdict);
    if (status == NF_EMPTY && !flow->worker->full) {
        flow->worker->full = true;
        SCLogWarning("neural-filter: memory-limit is reached: flows end early here, and have no verdict in the log");
    }
    if (status != NF_OK)
        return false;
    flow->judged_at = flow->packets;
    flow->judged_at_end = ended;
    if (flow->verdict.anomaly)
        Explain(flow);
    return true;
}

static void OnEve(ThreadVars *tv, const Packet *p, Flow *f, SCJsonBuilder *jb, void *user)
{
    struct FlowSession *flow = f != NULL ? FlowGetStorageById(f, flow_storage) : NULL;
    if (flow == NULL)
        return;
    SCMutexLock(&flow->worker->lock);
    const bool judged = Judge(flow, f->flow_end_flags != 0);
    const nf_verdict verdict = flow->verdict;
    const int reasons = verdict.anomaly ? flow->reason_count : 0;
    SCMutexUnlock(&flow->worker->lock);
    if (!judged)
        return;
    SCJbOpenObject(jb, "nf");
    SCJbSetBool(jb, "anomaly", verdict.anomaly != 0);
    SCJbSetFloat(jb, "score", verdict.score);
    SCJbSetFloat(jb, "threshold", verdict.threshold);
    SCJbSetFloat(jb, "p_value", verdict.p_value);
    SCJbSetUint(jb, "sessions", verdict.sessions);
    if (reasons > 0) {
        /* Each was written before it was counted, and stays while the flow, which is locked here, does. */
        SCJbOpenArray(jb, "reasons");
        for (int i = 0; i < reasons; i++)
            SCJbAppendString(jb, flow->reasons[i]);
        SCJbClose(jb);
    }
    SCJbClose(jb);
}

static int32_t EndReason(const Flow *f)
{
    if (f->flow_end_flags & FLOW_END_FLAG_EMERGENCY)
        return NF_END_EVICTED;
    if (f->flow_end_flags & (FLOW_END_FLAG_FORCED | FLOW_END_FLAG_SHUTDOWN))
        return NF_END_FLUSHED;
    return f->flow_state == FLOW_STATE_CLOSED ? NF_END_FIN : NF_END_IDLE;
}

static void OnFlowFinish(ThreadVars *tv, Flow *f, void *user)
{
    struct FlowSession *flow = FlowGetStorageById(f, flow_storage);
    if (flow == NULL)
        return;
    nf_event event = NF_EVENT_INIT;
    SCMutexLock(&flow->worker->lock);
    /* Of a capture each thread has a time of its own, and packets tell it. */
    if (TimeModeIsLive()) {
        const SCTime_t now = TimeGet();
        (void)nf_context_advance(flow->worker->context,
                (int64_t)SCTIME_SECS(now) * 1000000000 + (int64_t)SCTIME_USECS(now) * 1000);
    }
    (void)nf_session_end(flow->worker->context, flow->session, EndReason(f), NULL);
    while (nf_context_pop(flow->worker->context, &event) == NF_OK) {
        const char *text;
        if ((event.kind == NF_EVENT_INCIDENT || event.kind == NF_EVENT_DRIFT) &&
                nf_context_text(flow->worker->context, &text) == NF_OK)
            SCLogNotice("neural-filter: %s", text);
    }
    SCMutexUnlock(&flow->worker->lock);
}

/* Whether this is set, and then its text. */
static bool Setting(const char *name, const char **text)
{
    return SCConfGet(name, text) == 1 && *text != NULL;
}

/* What is wrong here ends Suricata, and `suricata -T`: nobody is to run for weeks without what they set up. */
static void Init(void)
{
    const char *model, *text;
    nf_session_config trained = NF_SESSION_CONFIG_INIT;
    nf_context *context;
    intmax_t most;
    if (nf_abi_version() != NF_ABI_VERSION)
        FatalError("neural-filter: the library has interface %u, this plugin was made for %u", nf_abi_version(), NF_ABI_VERSION);
    if (!Setting("neural-filter.model", &model))
        FatalError("neural-filter: neural-filter.model is not set, it must be the path of a model file");
    if (Setting("neural-filter.memory-limit", &text) && ParseSizeStringU64(text, &memory_limit) != 0)
        FatalError("neural-filter: neural-filter.memory-limit is '%s', it must be a size such as 134217728 or 128mb", text);
    if (Setting("neural-filter.explain-per-second", &text)) {
        if (SCConfGetInt("neural-filter.explain-per-second", &most) != 1 || most < 0)
            FatalError("neural-filter: neural-filter.explain-per-second is '%s', it must be a number, 0 or above", text);
        explain_per_second = (uint64_t)most;
    }
    /* One that is made and freed says here what each worker's would. */
    if (!Ok(nf_detector_load(model, &detector), "model") || !Ok(nf_detector_session_config(detector, &trained), "model") ||
            !Ok(NewContext(&context), "context"))
        exit(EXIT_FAILURE);
    nf_context_free(context);
    if (trained.look_packet_count > 0)
        first_look = trained.look_packets[0];
    flow_storage = RegisterFlowStorage(FlowSessionFree);
    thread_storage = RegisterThreadStorage(WorkerRelease);
    if (flow_storage.id < 0 || thread_storage.id < 0)
        FatalError("neural-filter: Suricata has no storage for flows or threads");
    SCFlowRegisterInitCallback(OnFlowInit, NULL);
    SCFlowRegisterUpdateCallback(OnFlowUpdate, NULL);
    SCFlowRegisterFinishCallback(OnFlowFinish, NULL);
    SCEveRegisterCallback(OnEve, NULL);
    SCLogNotice("neural-filter %s: %s", nf_version(), model);
}

static const SCPlugin plugin = {
    .version = SC_API_VERSION,
    .suricata_version = SC_PACKAGE_VERSION,
    .name = "neural-filter",
    .plugin_version = "0.1.0",
    .license = "GPL-2.0-or-later",
    .author = "The neural-filter authors",
    .Init = Init,
};

const SCPlugin *SCPluginRegister(void);

const SCPlugin *SCPluginRegister(void)
{
    return &plugin;
}
