/** What `createCapture` needs of a supabase-js client; `SupabaseClient` and `PostgrestClient` have it. */
export interface LogClient {
  schema(schema: any): any;
}

export interface CaptureOptions {
  /** The component that logs. The engine judges a fix by whether this source goes on without the error. */
  source?: string;
  /** The application's version. */
  release?: string;
  /** production, staging, … */
  environment?: string;
  /** debug, info, warning, error (by default) or critical. */
  level?: string;
  /** Errors with the same fingerprint are one pattern; "{{ default }}" stands for the error's own. */
  fingerprint?: string | string[];
  /** Whatever else is recorded with the row. */
  metadata?: Record<string, unknown>;
}

export interface Capture {
  /** Queue an error, or whatever was thrown. Returns at once and never throws. */
  (error: unknown, options?: CaptureOptions): void;
  /** How many errors were lost: more than 100 were waiting, or the server refused them. */
  dropped: number;
  /** Wait until everything was sent, at most so long (2000 by default); answers whether it was. Never rejects. */
  flush(milliseconds?: number): Promise<boolean>;
}

/** Make a function that logs errors through this client, each with these options unless the call says otherwise. */
export function createCapture(client: LogClient, defaults?: CaptureOptions): Capture;
