/**
 * Workers and clients of the Bellis blockwise task scheduler.
 *
 * <p>{@link io.bellis.Worker} takes blocks from a broker, {@link io.bellis.Control} submits,
 * watches and steers jobs. Both speak bellis/1 over ZeroMQ, by JeroMQ: tcp only, with CURVE.
 */
package io.bellis;
